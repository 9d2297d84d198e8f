"""Takes a fresh look at the node and finds who dies first: the candidate, its processes, and whose it is."""

import time
from dataclasses import dataclass, replace

from oompolicy_agent.explain import why
from oompolicy_agent.guard.census import Census
from oompolicy_agent.guard.kill import Party, muster
from oompolicy_agent.guard.memcgs import CgroupFS
from oompolicy_agent.guard.records import Victim, victim_of
from oompolicy_agent.guard.snapshot import classes, snapshot_of
from oompolicy_agent.guard.targets import Targets
from oompolicy_agent.model import Candidate, TieBreak
from oompolicy_agent.select import victims

__all__ = ["Choice", "Chooser"]


@dataclass(frozen=True, slots=True)
class Choice:
    """Who dies first, ready to be killed."""

    candidate: Candidate
    victim: Victim
    party: Party
    tie_break: TieBreak

    @property
    def why(self) -> str:
        """Why this one, from the keys that decided it. Written after the kill, because it costs time."""
        return why(self.candidate, self.tie_break)


@dataclass(frozen=True, slots=True)
class Chooser:
    """Chooses on one host."""

    cgroups: CgroupFS
    census: Census
    proc: str

    def choose(
        self, targets: Targets, domain: str, *, with_swap: bool, excluded: frozenset[int], futile: frozenset[str]
    ) -> Choice | None:
        """The first in the order who has somebody to kill, or who is dying already; None: nothing is eligible.

        A candidate whose processes may all not be killed (oom_score_adj -1000) is passed over for the next.
        """
        now = time.monotonic()
        self.census.look(now)
        choice, is_current = self._first(targets, domain, excluded, futile, with_swap=with_swap)
        if not is_current:  # what is gone may have been replaced by somebody whom we have not seen yet
            self.census.recount(now)
            choice, _ = self._first(targets, domain, excluded, futile, with_swap=with_swap)
        return choice

    def _first(
        self, targets: Targets, domain: str, excluded: frozenset[int], futile: frozenset[str], *, with_swap: bool
    ) -> tuple[Choice | None, bool]:
        """Measures class after class until one has a candidate; and whether all in it were there."""
        tree, is_current = self.census.tree, True
        facts = replace(self.census.facts(time.monotonic()), excluded=excluded, futile=futile)
        for group in classes(tree, targets, facts):
            facts, all_there = self.census.measured(facts, group, with_swap=with_swap)
            is_current = is_current and all_there
            snapshot = snapshot_of(tree, targets, facts, domain)
            for candidate in victims(snapshot):
                if not facts.unread.isdisjoint(self.census.place(path).id for path in candidate.dies):
                    break  # of a class that is not measured yet
                if choice := self._ready(candidate, targets, snapshot.tie_break):
                    return choice, is_current
        return None, is_current

    def _ready(self, candidate: Candidate, targets: Targets, tie_break: TieBreak) -> Choice | None:
        """None if nobody in it may be killed."""
        party = muster(self.cgroups, self.proc, candidate.dies)
        if not party.killable and not party.is_dying:
            return None
        victim = victim_of(candidate, self.census.place(candidate.path), targets)
        return Choice(candidate, victim, party, tie_break)
