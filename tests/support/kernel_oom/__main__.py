"""Plays shortages in a machine whose kernel asks a BPF program who dies; prints what came of each, as a JSON object.

`python3 -m kernel_oom --directory DIRECTORY --policy NAME --victim NAME --times N [--of-the-node] [--detaching]`;
the policy `none` leaves it to the kernel. With --detaching the policy comes and goes all the time.
"""

import argparse
import json
import os
import threading
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from typing import Self

from kernel_oom.arena import OUTSIDE, Arena, folder
from kernel_oom.policy import Policies
from oompolicy_agent.guard.bpf import detach


class Detacher:
    """Puts a policy in force and takes it out again, as often as it can, beside whatever else happens."""

    def __init__(self, policies: Policies, name: str) -> None:
        self.times = 0
        self._policies, self._name = policies, name
        self._must_stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._must_stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._must_stop.is_set():
            link = self._policies.attach(self._name)
            detach(link)
            os.close(link)
            self.times += 1


def main() -> None:
    """Plays."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("directory", "policy", "victim"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--of-the-node", action="store_true")
    parser.add_argument("--detaching", action="store_true")
    wanted = parser.parse_args()
    policies = Policies(wanted.directory) if wanted.policy != "none" else None
    arena, shortages = Arena(of_the_node=wanted.of_the_node), []
    for _ in range(wanted.times):
        arena.build()
        if policies:
            policies.tell((OUTSIDE if wanted.victim == "outside" else folder(wanted.victim)).stat().st_ino)
        start = time.monotonic()
        with _in_force(policies, wanted.policy, detaching=wanted.detaching) as detacher:
            outcome = arena.run_out()
        heard = asdict(policies.heard) if policies else {}
        times = {"seconds": round(time.monotonic() - start, 3), "detached": getattr(detacher, "times", 0)}
        shortages.append(asdict(outcome) | heard | times)
        arena.clear()
    print(json.dumps(shortages))


def _in_force(policies: Policies | None, name: str, *, detaching: bool) -> AbstractContextManager[object]:
    if policies is None:
        return nullcontext()
    return Detacher(policies, name) if detaching else policies.in_force(name)


if __name__ == "__main__":
    main()
