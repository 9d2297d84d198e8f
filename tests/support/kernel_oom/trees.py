"""Runs memcgs of random trees out of memory, and compares whom our policy kills with what the specification says.

`python3 -m kernel_oom.trees --directory DIRECTORY --events N --seed N [--killed]`; it ends with a JSON object. In each
tree somebody who is protected takes more and more, a little at a time, so that one after another dies. With `--killed`
the process that puts the policy in force is killed before each OOM.
"""

import argparse
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from differential.forest import Place, Trees
from differential.policies import drawn, snapshot_of
from kernel_oom.hook import Decider
from kernel_oom.orphan import Orphan
from kernel_oom.scenes import HOG
from oompolicy_agent.guard.assist_abi import Flag, Question, Target
from oompolicy_agent.guard.hook import withdraw
from oompolicy_agent.guard.hook_abi import Outcome, Verdict
from oompolicy_agent.guard.memcgs import CgroupFS
from oompolicy_agent.select import champion
from random_oom.host import kernel_kills
from random_oom.stage import wait_until
from random_oom.worker import CGROUPS, MEBIBYTE, Worker

ROOM, STEP = 4, 2
"""MiB: what is left when the hog begins, and what it takes at a time: less than any death gives back."""
MOST_VICTIMS, MOST_STEPS = 5, 60
"""Of one tree."""
MOST_LEAVES, MOST_SHOWN = 16, 5


Handler = Decider | Orphan
PutInForce = Callable[[Callable[[Decider], None]], Handler]
"""Has a handler in force that was told by the function."""


@dataclass
class Score:
    """What has happened so far.

    Attributes:
        handlers: how often one was told or put in force anew.
        unclear: deaths in a row for one step of the hog, so that what each was chosen from is not known any more.
        wrong: those that differ from the specification.
    """

    handlers: int = 0
    events: int = 0
    unclear: int = 0
    nothing: int = 0
    wrong: list[str] = field(default_factory=list)

    def add(self, verdicts: Sequence[Verdict], kills: int) -> None:
        """What was decided in one step, and how many were killed; more only if the handler left it to the kernel."""
        self.events += len(verdicts)
        self.unclear += max(0, len(verdicts) - 1)
        outcomes = [verdict.outcome for verdict in verdicts]
        self.nothing += outcomes.count(Outcome.NOTHING_ELIGIBLE)
        if kills > sum(verdict.killed for verdict in verdicts) and not any(outcomes):
            self.wrong.append(f"{kills} killed, not all by the handler, that has decided {verdicts}")


class Tree:
    """One random tree with a random policy."""

    def __init__(self, chance: random.Random) -> None:
        self._cgroups = CgroupFS(str(CGROUPS))
        self._trees = Trees(chance)
        self._trees.plant(chance.randint(2, MOST_LEAVES))
        inner = [place for place in self._trees.places if not place.is_leaf]
        self._domain = chance.choice(inner)
        self._told, self._tie_break, self._default = drawn(chance, self._trees.places)
        self._hog = self._with_hog()
        self._living = len(self._inhabited())

    def play(self, put_in_force: PutInForce, score: Score) -> None:
        """Until enough have died, or nobody is left who may; after each OOM, a handler is put in force for the next."""
        folder = CGROUPS / self._domain.path.lstrip("/")
        limit = int((folder / "memory.current").read_text()) + ROOM * MEBIBYTE
        (folder / "memory.max").write_text(str(limit))
        victims, handler = 0, None
        for size in range(STEP, STEP * MOST_STEPS, STEP):
            if handler is None:
                handler = put_in_force(self._tell)
                score.handlers += 1
            populated, kills = self._populated(), kernel_kills()
            is_alive = self._takes(size)
            fresh, kills = handler.fresh(), kernel_kills() - kills
            score.add(fresh, kills)
            self._living -= kills
            if len(fresh) == 1 and (difference := self._difference(handler, fresh[0], populated)):
                score.wrong.append(difference)
            victims += len(fresh)
            if victims >= MOST_VICTIMS or not is_alive or any(verdict.outcome for verdict in fresh):
                return
            handler = None if fresh else handler

    def _tell(self, decider: Decider) -> None:
        decider.tell(self._told, tie_break=self._tie_break, default_priority=self._default)

    def clear(self) -> None:
        """Takes it down."""
        (CGROUPS / self._domain.path.lstrip("/") / "memory.max").write_text("max")
        self._trees.clear()

    def _with_hog(self) -> Worker:
        hog = self._trees.add(self._domain.path + HOG, 0, is_leaf=True)
        assert hog
        hog.wait_ready()
        self._told[self._trees.places[-1].id] = Target(0, Flag.PROTECTED)
        return hog

    def _takes(self, size: int) -> bool:
        """Whether the hog is alive after it."""
        try:
            self._hog.hold(size)
        except (ChildProcessError, BrokenPipeError):
            return False
        return True

    def _populated(self) -> dict[int, bool]:
        """Of each memcg, once the killed have left theirs: the kernel has their memory back a little earlier."""
        wait_until("the dead have left their memcgs", lambda: len(self._inhabited()) <= self._living)
        return {place.id: self._is_populated(place) for place in self._trees.places}

    def _inhabited(self) -> list[Place]:
        """The leaves with a process; in none there is more than one."""
        return [place for place in self._trees.places if place.is_leaf and self._is_populated(place)]

    def _is_populated(self, place: Place) -> bool:
        return bool(self._cgroups.is_populated(place.path))

    def _difference(self, handler: Handler, verdict: Verdict, populated: Mapping[int, bool]) -> str | None:
        """What the specification says of the same numbers, if it is something else."""
        found = {id_: self._found(handler, id_, target, verdict) for id_, target in self._told.items()}
        question = Question(self._domain.id, 0, self._default, self._tie_break)
        places: list[Place] = self._trees.places
        expected = champion(snapshot_of(self._domain.path, question, places, found, populated))
        if verdict.victim == (expected.memcg.id if expected else 0):
            return None
        return f"{verdict} instead of {expected} of {found} {places} {populated}"

    def _found(self, handler: Handler, id_: int, told: Target, verdict: Verdict) -> Target:
        measured = handler.found(id_)
        return replace(told, usage_bytes=measured.usage_bytes if measured.run == verdict.number else 0)


def _told(decider: Decider, tell: Callable[[Decider], None]) -> Decider:
    tell(decider)
    return decider


def main() -> None:
    """Plays tree after tree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", required=True)
    parser.add_argument("--events", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--killed", action="store_true")
    wanted = parser.parse_args()
    (CGROUPS / "cgroup.subtree_control").write_text("+memory")
    put_in_force = partial(Orphan, wanted.directory) if wanted.killed else partial(_told, Decider(wanted.directory))
    score, trees = Score(), 0
    chance = random.Random(wanted.seed)  # noqa: S311 - repeatable
    while score.events < wanted.events:
        tree = Tree(chance)
        tree.play(put_in_force, score)
        tree.clear()
        trees += 1
    withdraw()
    Orphan.forget()
    print(
        json.dumps({"trees": trees, **vars(score), "wrong": score.wrong[:MOST_SHOWN], "wrongCount": len(score.wrong)})
    )


if __name__ == "__main__":
    main()
