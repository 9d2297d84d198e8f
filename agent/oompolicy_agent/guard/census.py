"""Keeps count of who is on the node: the tree of memcgs, since when each pod is there, what each container is."""

import os
from collections.abc import Collection, Iterable
from dataclasses import replace

from oompolicy_agent.guard.kill import INIT
from oompolicy_agent.guard.layout import Kind, Place
from oompolicy_agent.guard.listing import Listing
from oompolicy_agent.guard.memcgs import CgroupFS
from oompolicy_agent.guard.naming import identified
from oompolicy_agent.guard.sandboxes import Roles
from oompolicy_agent.guard.settings import Limits
from oompolicy_agent.guard.snapshot import Facts
from oompolicy_agent.guard.targets import Targets
from oompolicy_agent.guard.tree_watch import TreeWatch

__all__ = ["Census"]

LOOK_SECONDS = 1.0
"""How often we ask for what nobody tells us: unknown roles, swap; without inotify also whether anything has changed."""
RECOUNT_SECONDS = 300.0
"""How often everything is read again: memory.oom.group raises no event, and a polled tree can deceive."""


class Census:
    """The last known tree; `refresh` brings it up to date."""

    def __init__(self, cgroups: CgroupFS, roles: Roles, limits: Limits, pod_uid: str, proc: str = "/proc") -> None:
        self.tree: list[Place] = []
        self.version = 0
        """Grows with every change of the tree."""
        self._cgroups = cgroups
        self._roles = roles
        self._limits = limits
        self._own = frozenset({pod_uid} if pod_uid else ())
        self._watch = TreeWatch()
        self._listing = Listing(cgroups, proc, self._watch)
        self._targets: frozenset[str] = frozenset()
        self._by_path: dict[str, Place] = {}
        self._first_seen: dict[str, float] = {}
        self._young: frozenset[str] = frozenset()
        self._facts: Facts | None = None
        self._identified: tuple[Targets, Facts, Targets] | None = None
        """The last targets that were to be identified, what was known then, and what came of it."""
        self._links: object = None
        self._is_stale = True
        self._looked_at = self._counted_at = float("-inf")
        self._swap, self._swap_at = 0, float("nan")
        self._swappers: list[str] | None = None

    @property
    def descriptor(self) -> int:
        """Readable when a memcg has come or gone; -1 where that must be asked for, once a second."""
        return self._watch.descriptor

    @property
    def problem(self) -> str | None:
        """What keeps new memcgs from being noticed at once."""
        return self._watch.problem

    @property
    def top(self) -> Place | None:
        """What holds all pods."""
        return next((place for place in self.tree if place.kind is Kind.TOP), None)

    @property
    def home(self) -> str | None:
        """The path of the container that the guard runs in; None: in none that we know."""
        ours = [place for place in self.tree if place.pod_uid in self._own and place.kind is Kind.CONTAINER]
        return next((place.path for place in ours if os.getpid() in self._cgroups.processes(place.path)), None)

    @property
    def pods(self) -> list[Place]:
        """The pods' own memcgs."""
        return [place for place in self.tree if place.kind is Kind.POD]

    def follow(self, host_paths: Collection[str]) -> None:
        """Has the memcgs at and below these paths listed too, from the next refresh on."""
        if self._targets != frozenset(host_paths):
            self._targets, self._is_stale = frozenset(host_paths), True

    def refresh(self, now: float) -> None:
        """Brings everything up to date; costs next to nothing if nothing has changed."""
        is_due = now - self._looked_at >= LOOK_SECONDS
        if is_due:
            self._looked_at = now
        if now - self._counted_at >= RECOUNT_SECONDS:
            self._watch.take()
            self.recount(now)
        elif is_due or self._watch.problem is None:
            self.catch_up(now)
        if is_due and not self._roles.are_all_known:
            self._learn(now)

    def catch_up(self, now: float) -> None:
        """Brings the tree up to date with what has come and gone, and does nothing else: fit for a crisis."""
        changed = self._watch.take()
        if changed is None or self._deceives():
            self.recount(now)
        elif changed or self._is_stale:
            self._listing.forget([path.removeprefix(self._cgroups.root) for path in changed])
            self._list(now)

    def recount(self, now: float) -> None:
        """Reads everything again."""
        self._watch.retry()
        self._listing.forget()
        self._counted_at, self._swappers = now, None
        self._list(now)

    def doubt(self, places: Iterable[Place], now: float) -> None:
        """Lists again what is beside these, which are gone."""
        self._listing.forget([place.parent for place in places])
        self.catch_up(now)
        self._list(now)

    def place(self, path: str) -> Place:
        """The place of a memcg in the last tree; raises KeyError."""
        return self._by_path[path]

    def facts(self, now: float) -> Facts:
        """What is known of the memcgs without measuring any; the same object as before if that has not changed."""
        young = self._young
        if young:
            first, seconds = self._first_seen, self._limits.unknown_seconds
            young = frozenset(uid for uid in young if now - first[uid] < seconds)
        if self._facts is None or young != self._young:
            self._young = young
            self._facts = self._known(young)
        return self._facts

    def identified(self, targets: Targets, now: float) -> Targets:
        """The targets with those containers that the API server does not know yet; costs nothing if nobody has come."""
        facts, known = self.facts(now), self._identified
        if known is None or known[1] is not facts or (known[0] is not targets and known[2] is not targets):
            known = self._identified = targets, facts, identified(targets, self.tree, facts.names)
        return known[2]

    def measured(self, facts: Facts, leaves: list[Place], *, with_swap: bool) -> tuple[Facts, list[Place]]:
        """The facts with the usage of these memcgs; and those that are gone."""
        usage, gone = dict(facts.usage), []
        for place in leaves:
            is_populated = self._cgroups.is_populated(place.path)
            found = self._cgroups.usage(place.path, with_swap=with_swap) if is_populated else None
            if found is not None:
                usage[place.id] = found
            if is_populated is None:
                gone.append(place)
        unread = facts.unread.difference(place.id for place in leaves)
        return replace(facts, usage=usage, unread=unread), gone

    def may_swap(self) -> int:
        """How many bytes the containers together may still put into swap, as of the last look."""
        if self._swap_at != self._looked_at:
            self._swap_at = self._looked_at
            if self._swappers is None:
                self._swappers = [path for path in self._container_paths() if self._limit(path) != 0]
            self._swap = sum(map(self._may_swap, self._swappers))
        return self._swap

    def _list(self, now: float) -> None:
        before, self.tree = self._by_path, self._listing.tree(self._targets)
        self._is_stale = False
        self._by_path = {place.path: place for place in self.tree}
        self._links = self._polled()
        if not before:
            self._own |= {place.pod_uid for place in self.tree if self._holds_us(place)}
        uids = [place.pod_uid for place in self.pods]
        self._first_seen = {uid: self._first_seen.get(uid, now) for uid in uids}
        self._young = frozenset(uids)
        self._facts = None
        self._learn(now)
        if self._by_path != before:
            self.version += 1
            self._swappers = None

    def _learn(self, now: float) -> None:
        if self._roles.learn([place.container_id for place in self.tree if place.kind is Kind.CONTAINER], now):
            self._facts = None

    def _known(self, young: frozenset[str]) -> Facts:
        containers = [place for place in self.tree if place.kind is Kind.CONTAINER]
        on_host = [place for place in self.tree if place.kind is Kind.HOST and place.target]
        return Facts(
            roles={place.container_id: self._roles.of(place.container_id) for place in containers},
            names=self._roles.names,
            young=young,
            own=self._own,
            unread=frozenset(place.id for place in (*containers, *on_host)),
        )

    def _deceives(self) -> bool:
        """Without inotify: whether a memcg has come or gone, as far as counts of children tell."""
        return self._watch.problem is not None and self._polled() != self._links

    def _polled(self) -> list[int] | None:
        if self._watch.problem is None:
            return None
        inner = [place.path for place in self.tree if place.target or place.kind not in {Kind.CONTAINER, Kind.HOST}]
        return [self._cgroups.links(path) for path in ("/", *inner)]

    def _holds_us(self, place: Place) -> bool:
        """Whether the guard itself or PID 1 runs in this container. Neither ever moves."""
        if place.kind is not Kind.CONTAINER:
            return False
        return not {os.getpid(), INIT}.isdisjoint(self._cgroups.processes(place.path))

    def _container_paths(self) -> list[str]:
        return [place.path for place in self.tree if place.kind is Kind.CONTAINER]

    def _limit(self, path: str) -> int | None:
        return self._cgroups.number(path, "memory.swap.max")

    def _may_swap(self, path: str) -> int:
        """Between what it has in swap and its limit there; no more than it has in memory."""
        held, current = self._cgroups.number(path, "memory.swap.current"), self._cgroups.current(path)
        if held is None or current is None:
            return 0
        limit = self._limit(path)
        return current if limit is None else max(0, min(current, limit - held))
