"""Takes a fresh look at the node and finds who dies first: the candidate, its processes, and whose it is."""

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Protocol

from oompolicy_agent.explain import why
from oompolicy_agent.guard.census import Census
from oompolicy_agent.guard.hosts import holds_vital
from oompolicy_agent.guard.kill import Party, muster
from oompolicy_agent.guard.layout import Kind, Place
from oompolicy_agent.guard.memcgs import MOST_HELD, CgroupFS
from oompolicy_agent.guard.order import Class, classes
from oompolicy_agent.guard.records import Victim, victim_of
from oompolicy_agent.guard.snapshot import Facts, snapshot_of
from oompolicy_agent.guard.support import BACKEND
from oompolicy_agent.guard.targets import Targets
from oompolicy_agent.model import Candidate, TieBreak
from oompolicy_agent.select import victims

__all__ = ["Choice", "Chooser", "Chooses", "View"]

MEASURED = ("memory.current", "memory.stat", "cgroup.events")
MOST_RANKED = 5
MOST_LISTED = 32
"""Memcgs whose list of processes is kept open too."""


@dataclass(frozen=True)
class View:
    """What a choice was made from: the whole tree, with the usage of those who could have been chosen."""

    tree: list[Place]
    targets: Targets
    measured: Callable[[], Facts]
    """Asked once, after the kill."""
    domain: str

    @cached_property
    def facts(self) -> Facts:
        """What was found out about them."""
        return self.measured()

    def order(self) -> Iterator[Candidate]:
        """Who was measured, first to die first, each with all whom it spared. Takes its time: not before a kill."""
        by_path = {place.path: place for place in self.tree}
        for candidate in victims(snapshot_of(self.tree, self.targets, self.facts, self.domain)):
            if not self.facts.unread.isdisjoint(by_path[path].id for path in candidate.dies):
                return
            yield candidate


@dataclass(frozen=True)
class Choice:
    """Who dies first, ready to be killed."""

    found: Candidate
    """As it came out of its own class: it dies first, but its layers name nobody of other classes."""
    victim: Victim
    party: Party
    tie_break: TieBreak
    view: View

    def keep(self) -> None:
        """Keeps what it was chosen from, before anything changes; for once the signal is on its way."""
        _ = self.view.facts

    @property
    def dies(self) -> tuple[str, ...]:
        """The memcgs to empty."""
        return self.found.dies

    @cached_property
    def candidate(self) -> Candidate:
        """The same with the whole explanation. Ask for it after the kill: it looks at the whole tree."""
        order = itertools.chain(self._first, self.view.order())
        return next((one for one in order if one.path == self.found.path), self.found)

    @property
    def why(self) -> str:
        """Why this one, from the keys that decided it. After the kill, as above."""
        return why(self.candidate, self.tie_break)

    @property
    def ranking(self) -> tuple[Victim, ...]:
        """The first few of the order, as far as they were measured, the victim among them. After the kill, as above."""
        by_path = {place.path: place for place in self.view.tree}
        return tuple([victim_of(one, by_path[one.path], self.view.targets) for one in self._first])

    @cached_property
    def _first(self) -> tuple[Candidate, ...]:
        return tuple(itertools.islice(self.view.order(), MOST_RANKED))


class Chooses(Protocol):
    """Whoever finds out who dies first."""

    census: Census
    backend: str
    """Who has chosen the last time."""

    def choose(
        self, targets: Targets, domain: str, *, with_swap: bool, excluded: frozenset[int], futile: frozenset[str]
    ) -> Choice | None:
        """See Chooser."""


class Chooser:
    """Chooses on one host, from what cgroupfs says."""

    backend = BACKEND

    def __init__(self, cgroups: CgroupFS, census: Census, proc: str) -> None:
        self.cgroups = cgroups
        self.census = census
        self.proc = proc
        self._classes: list[Class] = []
        self._sorted_for: tuple[Facts, Targets] | None = None
        self._held_for: tuple[Facts, Targets, bool] | None = None

    def prepare(self, targets: Targets, *, with_swap: bool) -> None:
        """Does beforehand what a choice needs and can have; costs next to nothing if nothing has changed."""
        facts = self.census.facts(time.monotonic())
        held = self._held_for
        if held is None or held[0] is not facts or held[1] is not targets or held[2] != with_swap:
            self._held_for = facts, targets, with_swap
            self.cgroups.hold(_files(self._order(targets, facts), with_swap=with_swap))

    def choose(
        self, targets: Targets, domain: str, *, with_swap: bool, excluded: frozenset[int], futile: frozenset[str]
    ) -> Choice | None:
        """The first in the order who has somebody to kill, or who is dying already; None: nothing is eligible.

        A candidate whose processes may all not be killed (oom_score_adj -1000) is passed over for the next.
        """
        now = time.monotonic()
        self.census.catch_up(now)
        targets = self.census.identified(targets, now)
        choice, gone = self._first(targets, domain, excluded, futile, with_swap=with_swap)
        if gone:  # they may have been replaced by somebody whom we have not seen yet
            self.census.doubt(gone, now)
            choice, _ = self._first(targets, domain, excluded, futile, with_swap=with_swap)
        return choice

    def _order(self, targets: Targets, facts: Facts) -> list[Class]:
        known = self._sorted_for
        if known is None or known[0] is not facts or known[1] is not targets:
            self._classes = classes(self.census.tree, targets, facts)
            self._sorted_for = facts, targets
        return self._classes

    def _first(
        self, targets: Targets, domain: str, excluded: frozenset[int], futile: frozenset[str], *, with_swap: bool
    ) -> tuple[Choice | None, list[Place]]:
        """Measures class after class until one has a candidate; and who of them was gone."""
        known, gone = self.census.facts(time.monotonic()), []
        facts = replace(known, excluded=excluded, futile=futile)
        below = domain.rstrip("/") + "/"
        for group in self._order(targets, known):
            leaves = [leaf for leaf in group.leaves if leaf.path.startswith(below)]
            facts, missing = self.census.measured(facts, leaves, with_swap=with_swap)
            gone += missing
            view = View(self.census.tree, targets, partial(_same, facts), domain)
            if leaves and (choice := self._first_of(group, view)):
                return choice, gone
        return None, gone

    def _first_of(self, group: Class, view: View) -> Choice | None:
        snapshot = snapshot_of(list(group.places.values()), view.targets, view.facts, view.domain)
        ready = (self.ready(candidate, view, snapshot.tie_break) for candidate in victims(snapshot))
        return next(filter(None, ready), None)

    def ready(self, candidate: Candidate, view: View, tie_break: TieBreak) -> Choice | None:
        """The candidate as a choice; None if nobody in it may be killed."""
        place = self.census.place(candidate.path)
        party = muster(self.cgroups, self.proc, candidate.dies)
        if not party.killable and not party.is_dying:
            return None
        if place.kind in {Kind.HOST, Kind.BRANCH} and holds_vital(self.proc, (*party.killable, *party.exempt)):
            return None  # it was started after the last listing
        return Choice(candidate, victim_of(candidate, place, view.targets), party, tie_break, view)


def _same(facts: Facts) -> Facts:
    return facts


def _files(order: list[Class], *, with_swap: bool) -> Iterator[tuple[str, str]]:
    """What a choice reads, first what it reads first; the lists of processes take the place of the last."""
    names = (*MEASURED, "memory.swap.current") if with_swap else MEASURED
    leaves = [leaf for group in order for leaf in group.leaves]
    measured = [(leaf.path, name) for leaf in leaves for name in names]
    yield from measured[: MOST_HELD - MOST_LISTED]
    yield from [(leaf.path, "cgroup.procs") for leaf in leaves[:MOST_LISTED]]
