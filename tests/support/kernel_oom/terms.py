"""Plays one shortage after another with our policy in other terms each time; prints what came of each.

`python3 -m kernel_oom.terms --directory DIRECTORY`: a JSON object by the terms' names.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from kernel_oom.arena import PRIORITIES, TOP, Arena, targets
from kernel_oom.hook import FOR_NANOSECONDS, Decider
from oompolicy_agent.guard.assist_abi import Flag, Target
from oompolicy_agent.guard.hook import withdraw
from oompolicy_agent.guard.hook_abi import Mode


@dataclass(frozen=True, kw_only=True)
class Case:
    """What the policy is told for one shortage, of the node or of the memcg `arena`."""

    mode: Mode = Mode.ENFORCE
    nanoseconds: int = FOR_NANOSECONDS
    of_the_node: bool = False
    priorities: Mapping[str, int] = field(default_factory=lambda: PRIORITIES)
    arena: Target | None = None


CASES = {
    "enforce": Case(),
    "enforce-for-the-node": Case(of_the_node=True),
    "audit": Case(mode=Mode.AUDIT),
    "off": Case(mode=Mode.OFF),
    "expired": Case(nanoseconds=-1),
    "service-that-nobody-named": Case(priorities={}, arena=Target(0, Flag.PROTECTED | Flag.NOBODYS)),
    "nested-by-a-tenant": Case(priorities={}),
}


def play(decider: Decider, case: Case) -> dict[str, Any]:
    """One shortage, with `small` the first to die by its priority."""
    arena = Arena(of_the_node=case.of_the_node)
    arena.build()
    told = targets(case.priorities) | ({TOP.stat().st_ino: case.arena} if case.arena else {})
    decider.tell(told, case.mode, case.nanoseconds)
    before = decider.counts
    outcome = arena.run_out()
    decided = [asdict(verdict) | {"outcome": verdict.outcome.name} for verdict in decider.listen()]
    after = decider.counts
    arena.clear()
    counted = {
        "steppedAside": after.stepped_aside - before.stepped_aside,
        "notOurs": after.not_ours - before.not_ours,
    }
    return asdict(outcome) | {"verdicts": decided} | counted


def main() -> None:
    """Plays all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", required=True)
    decider = Decider(parser.parse_args().directory)
    found = {}
    for name, case in CASES.items():
        print(name, file=sys.stderr, flush=True)  # for whoever wonders where it hangs
        found[name] = play(decider, case)
    withdraw()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
