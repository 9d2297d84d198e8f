"""Plays one shortage after another with our policy in other terms each time; prints what came of each.

`python3 -m kernel_oom.terms --directory DIRECTORY`: a JSON object by the terms' names.
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from kernel_oom.arena import Arena, targets
from kernel_oom.hook import FOR_NANOSECONDS, Decider
from oompolicy_agent.guard.hook import withdraw
from oompolicy_agent.guard.hook_abi import Mode
from random_oom.worker import CGROUPS

TERMS: Mapping[str, tuple[Mode, int, bool]] = {
    "enforce": (Mode.ENFORCE, FOR_NANOSECONDS, False),
    "enforce-for-the-node": (Mode.ENFORCE, FOR_NANOSECONDS, True),
    "audit": (Mode.AUDIT, FOR_NANOSECONDS, False),
    "off": (Mode.OFF, FOR_NANOSECONDS, False),
    "expired": (Mode.ENFORCE, -1, False),
}
"""Mode, for how many nanoseconds it holds, and whether the node runs out or a memcg."""


def play(decider: Decider, mode: Mode, nanoseconds: int, *, of_the_node: bool) -> dict[str, Any]:
    """One shortage, with `small` the first to die by its priority."""
    arena = Arena(of_the_node=of_the_node)
    arena.build()
    decider.tell(targets(), mode, nanoseconds)
    before = decider.counts
    outcome = arena.run_out()
    decided = [asdict(verdict) | {"outcome": verdict.outcome.name} for verdict in decider.listen()]
    stepped_aside = decider.counts.stepped_aside - before.stepped_aside
    arena.clear()
    return asdict(outcome) | {"verdicts": decided, "steppedAside": stepped_aside}


def main() -> None:
    """Plays all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", required=True)
    decider = Decider(parser.parse_args().directory)
    (CGROUPS / "cgroup.subtree_control").write_text("+memory")
    found = {name: play(decider, mode, until, of_the_node=node) for name, (mode, until, node) in TERMS.items()}
    withdraw()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
