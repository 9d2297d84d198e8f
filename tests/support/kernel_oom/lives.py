"""What outlives the process that put our policy in force; prints it as a JSON object.

`python3 -m kernel_oom.lives --directory DIRECTORY --times N`: so many shortages, before each of which a process puts
the handler in force anew and is killed; one after another has ended by itself, and one after the handler was
withdrawn; what each process found that nobody had read; what stays in bpffs.
"""

import argparse
import json
import signal
import sys
from typing import Any

from kernel_oom.arena import Arena, targets
from kernel_oom.hook import BPFFS, Decider
from kernel_oom.mortal import last_words
from oompolicy_agent.guard.hook import withdraw
from oompolicy_agent.guard.hook_abi import Verdict


def enforce_and_die(directory: str, *, is_killed: bool) -> list[str]:
    """A process of its own puts the policy in force, and ends; what it found unread, by path."""

    def put_in_force() -> list[str]:
        decider = Decider(directory)
        decider.tell(targets())
        return paths(decider.left)

    found: list[str] = last_words(put_in_force, signal.SIGKILL if is_killed else signal.SIGTERM)
    return found


def paths(verdicts: list[Verdict]) -> list[str]:
    """Of the victims."""
    return [verdict.path for verdict in verdicts]


def died(prepare: Any) -> tuple[Any, list[str]]:  # noqa: ANN401 - whatever it returns is handed on
    """What a preparation said when everybody was there, and who died of the shortage after it."""
    arena = Arena(of_the_node=False)
    arena.build()
    said = prepare()
    outcome = arena.run_out()
    arena.clear()
    return said, outcome.died


def main() -> None:
    """Plays."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", required=True)
    parser.add_argument("--times", type=int, required=True)
    wanted = parser.parse_args()
    directory = wanted.directory
    killed = [died(lambda: enforce_and_die(directory, is_killed=True)) for _ in range(wanted.times)]
    second = died(lambda: enforce_and_die(directory, is_killed=False))
    third = died(lambda: paths(withdraw()))
    names = sorted(path.name for path in BPFFS.iterdir())
    left, dead = zip(*killed, second, third, strict=True)
    found = {"left": left, "died": dead, "names": names}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
