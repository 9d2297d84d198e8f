"""Finds who dies first by asking the kernel (KernelAssist), and makes of its answer what the guard needs to kill."""

import os
import time
from dataclasses import replace
from functools import partial

from oompolicy_agent.guard.assist import Assist
from oompolicy_agent.guard.assist_targets import TargetsByPod
from oompolicy_agent.guard.chooser import Choice, Chooser, View
from oompolicy_agent.guard.gauges import NODE
from oompolicy_agent.guard.layout import LEAVES, Place
from oompolicy_agent.guard.snapshot import Facts, snapshot_of
from oompolicy_agent.guard.targets import Policy, Targets
from oompolicy_agent.model import Snapshot
from oompolicy_agent.select import champion

__all__ = ["AssistChooser"]

MOST_TURNS = 16
"""Victims in a row whom nobody may kill; each is excluded, and the next one asked for. Then cgroupfs is scanned."""


class AssistChooser:
    """As Chooser, whose census and processes it uses. Raises OSError when the kernel does not do as it is asked."""

    def __init__(self, plain: Chooser, assist: Assist) -> None:
        self._plain = plain
        self._assist = assist
        self._root_id = os.stat(plain.cgroups.root + NODE).st_ino  # noqa: PTH116 - as elsewhere in the guard
        self._told: tuple[Facts, Targets] | None = None
        self._telling = TargetsByPod()
        self._by_id: dict[int, Place] = {}

    def prepare(self, targets: Targets) -> None:
        """Tells the program of everybody; costs next to nothing if nothing has changed."""
        self._assist.readmit()  # whom a choice before has passed over
        census = self._plain.census
        facts = census.facts(time.monotonic())
        if self._told and self._told[0] is facts and self._told[1] is targets:
            return
        self._told = None
        self._assist.tell(self._telling.targets(census.tree, targets, facts))
        self._by_id = {place.id: place for place in census.tree}
        self._told = facts, targets

    def choose(
        self, targets: Targets, domain: str, *, with_swap: bool, excluded: frozenset[int], futile: frozenset[str]
    ) -> Choice | None:
        """The first who has somebody to kill, or who is dying already; None: nothing is eligible."""
        census = self._plain.census
        census.catch_up(time.monotonic())
        targets = census.identified(targets, time.monotonic())
        self.prepare(targets)
        facts = replace(census.facts(time.monotonic()), excluded=excluded, futile=futile)
        if excluded or futile:
            self._assist.exclude(place.id for place in census.tree if place.id in excluded or place.owner in futile)
        return self._first(targets, domain, facts, with_swap=with_swap)

    def measured(self, targets: Targets, *, with_swap: bool) -> Facts:
        """What is known of everybody on the node, with usage; one run instead of reading three files of each."""
        self.prepare(targets)
        if targets.policy:
            self._assist.ask(self._root_id, targets.policy, with_swap=with_swap)
        return self._measured(self._plain.census.facts(time.monotonic()))

    def seen(self, targets: Targets, domain: str, run: int) -> Snapshot | None:
        """What that run chose from; None if somebody has measured since."""
        census = self._plain.census
        usage = self._assist.usage(run=run)
        facts = replace(census.facts(time.monotonic()), usage=usage, unread=frozenset())
        return snapshot_of(census.tree, targets, facts, domain) if usage else None

    def check(self, policy: Policy) -> None:
        """Asks without need, to notice in time when it works no more."""
        self._assist.ask(self._root_id, policy, with_swap=False)

    def _first(self, targets: Targets, domain: str, facts: Facts, *, with_swap: bool) -> Choice | None:
        if targets.policy is None:
            return None
        domain_id = self._root_id if domain == NODE else self._plain.census.place(domain).id
        for _ in range(MOST_TURNS):
            answer = self._assist.ask(domain_id, targets.policy, with_swap=with_swap)
            if not answer.victim:
                return None
            place = self._by_id.get(answer.victim)
            if place and (choice := self._ready(place, targets, domain, facts)):
                return choice
            self._assist.exclude([answer.victim])
        return self._plain.choose(targets, domain, with_swap=with_swap, excluded=facts.excluded, futile=facts.futile)

    def _ready(self, place: Place, targets: Targets, domain: str, facts: Facts) -> Choice | None:
        """The victim with what dies of it, seen with all that is above and below it; None if nobody may be killed."""
        branch = self._branch(place)
        seen = replace(facts, usage=self._assist.usage([one.id for one in branch]), unread=frozenset())
        snapshot = snapshot_of(branch, targets, seen, domain)
        candidate = champion(snapshot)
        if candidate is None or candidate.path != place.path:
            return None
        view = View(self._plain.census.tree, targets, partial(self._measured, facts), domain)
        return self._plain.ready(candidate, view, snapshot.tie_break)

    def _branch(self, place: Place) -> list[Place]:
        """It, and what is above and below it."""
        path, above, census = place.path, [], self._plain.census
        while path := path.rpartition("/")[0]:
            above.append(census.place(path))
        if place.kind in LEAVES:
            return [*above, place]
        return [*above, place, *(one for one in census.tree if one.path.startswith(place.path + "/"))]

    def _measured(self, facts: Facts) -> Facts:
        """With what the last run has found: it looks at everybody, so nobody is left unread."""
        return replace(facts, usage=self._assist.usage(), unread=frozenset())
