"""Takes a fresh look at the node and finds who dies first: the candidate, its processes, and whose it is."""

import time
from dataclasses import dataclass

from oompolicy_agent.explain import why
from oompolicy_agent.guard.census import Census
from oompolicy_agent.guard.kill import Party, muster
from oompolicy_agent.guard.memcgs import CgroupFS
from oompolicy_agent.guard.records import Victim, victim_of
from oompolicy_agent.guard.snapshot import snapshot_of
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
        self.census.refresh(now, must=True)
        facts = self.census.facts(targets, now, with_usage=True, with_swap=with_swap, excluded=excluded, futile=futile)
        snapshot = snapshot_of(self.census.tree, targets, facts, domain)
        for candidate in victims(snapshot):
            party = muster(self.cgroups, self.proc, candidate.dies)
            if party.killable or party.is_dying:
                victim = victim_of(candidate, self.census.place(candidate.path), targets)
                return Choice(candidate, victim, party, snapshot.tie_break)
        return None
