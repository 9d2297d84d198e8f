"""Declares a memcg that has room out of memory by a BPF program; prints what came of it, as a JSON object.

`python3 -m kernel_oom.declare --directory DIRECTORY`
"""

import argparse
import json
from dataclasses import asdict
from typing import Any

from kernel_oom.arena import TOP, Arena
from kernel_oom.policy import Policies

IMPOSSIBLE_ORDER = -1


def main() -> None:
    """Plays."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", required=True)
    policies = Policies(parser.parse_args().directory)
    arena = Arena(of_the_node=False)
    arena.build()
    memcg = TOP.stat().st_ino
    found: dict[str, Any] = {"refused": policies.declare(memcg, IMPOSSIBLE_ORDER)}
    outcome = arena.outcome_of(lambda: found.update(answers=policies.declare(memcg)))
    arena.clear()
    print(json.dumps(found | asdict(outcome)))


if __name__ == "__main__":
    main()
