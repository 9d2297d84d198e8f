"""Asks the BPF program and the specification the same question, many times, on real memcgs; prints where they differ.

`python3 -m differential --directory DIRECTORY --trees N --policies N --leaves N --seed N`; it ends with a JSON object.
"""

import argparse
import json
import random
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from differential.forest import Place, Trees
from differential.policies import drawn, snapshot_of
from differential.program import Program
from oompolicy_agent.guard.assist_abi import Answer, Flag, Question, RunError, Target
from oompolicy_agent.guard.memcgs import CgroupFS
from oompolicy_agent.select import champion
from random_oom.worker import CGROUPS

MOST_TURNS = 6
"""Of one policy: each time the one who was chosen is excluded, and the next one asked for."""
MOST_SHOWN = 5


class Bench:
    """Asks both, and keeps the score."""

    def __init__(self, directory: str) -> None:
        self.program = Program(directory)
        self.cgroups = CgroupFS(str(CGROUPS))
        self.runs = self.compared = self.victims = 0
        self.differences: list[Any] = []

    def try_policy(self, chance: random.Random, places: list[Place]) -> None:
        """A random policy and a random domain; then who comes next, and next."""
        told, tie_break, default = drawn(chance, places)
        self.program.forget(place.id for place in places)
        self.program.tell(told)
        populated = {place.id: bool(self.cgroups.is_populated(place.path)) for place in places}
        root = Place("/", CGROUPS.stat().st_ino, is_leaf=False)
        domain = chance.choice([root, places[0], chance.choice(places)])
        for _ in range(MOST_TURNS):
            self.runs += 1
            question = Question(domain.id, self.runs, default, tie_break)
            answer = self.program.ask(question)
            found = {id_: self.found(id_, target) for id_, target in told.items()}
            expected = champion(snapshot_of(domain.path, question, places, found, populated))
            self.compare(answer, expected.memcg.id if expected else None, (domain, question, found, populated, places))
            if not answer.victim:
                return
            excluded = told[answer.victim]
            told[answer.victim] = replace(excluded, flags=excluded.flags | Flag.EXCLUDED)
            self.program.tell({answer.victim: told[answer.victim]})

    def found(self, id_: int, told: Target) -> Target:
        """What is in the map after a run: as it was told, with what this run has measured; 0 outside the domain."""
        now = self.program.found(id_)
        assert now is not None
        assert replace(now, usage_bytes=0, run=0) == replace(told, usage_bytes=0, run=0)
        return now if now.run == self.runs else replace(now, usage_bytes=0)

    def found_usage(self, place: Place) -> int:
        """What the last run has measured of a memcg."""
        found = self.program.found(place.id)
        return found.usage_bytes if found else -1

    def compare(self, answer: Answer, expected: int | None, what: Any) -> None:  # noqa: ANN401 - for people
        """Counts, and keeps the first differences."""
        self.compared += 1
        self.victims += bool(answer.victim)
        if answer.error != RunError.OK or answer.victim != (expected or 0):
            self.differences.append({"found": str(answer), "expected": expected, "of": str(what)})


def measured_right(bench: Bench, trees: Trees) -> list[Any]:
    """The leaves with somebody in them whose usage is not what cgroupfs says; asked thrice, because counters move."""
    leaves = [place for place in trees.places if place.is_leaf and bench.cgroups.is_populated(place.path)]
    wrong: list[Any] = []
    for _ in range(3):
        bench.runs += 1
        bench.program.tell({place.id: Target(0, Flag.UNIT if place.is_leaf else Flag(0)) for place in trees.places})
        bench.program.ask(Question(trees.places[0].id, bench.runs))
        pairs = [
            (place.path, bench.cgroups.usage(place.path, with_swap=False), bench.found_usage(place)) for place in leaves
        ]
        wrong = [pair for pair in pairs if pair[1] != pair[2]]
        if not wrong:
            break
    return wrong


def main() -> None:
    """Plays."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", required=True)
    for name in ("trees", "policies", "leaves", "seed"):
        parser.add_argument(f"--{name}", type=int, required=True)
    wanted = parser.parse_args()
    Path(CGROUPS / "cgroup.subtree_control").write_text("+memory")
    chance, bench, start = random.Random(wanted.seed), Bench(wanted.directory), time.monotonic()  # noqa: S311 - repeatable
    trees, misread = Trees(chance), []
    for _ in range(wanted.trees):
        trees.plant(chance.randint(1, wanted.leaves))
        misread += measured_right(bench, trees)
        for _ in range(wanted.policies):
            bench.try_policy(chance, trees.places)
        bench.program.forget(place.id for place in trees.places)
        trees.clear()
    summary = {
        "compared": bench.compared,
        "victims": bench.victims,
        "differences": len(bench.differences),
        "misread": misread[:MOST_SHOWN],
        "examples": bench.differences[:MOST_SHOWN],
        "seconds": round(time.monotonic() - start, 1),
    }
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
