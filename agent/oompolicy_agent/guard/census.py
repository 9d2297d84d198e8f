"""Keeps count of who is on the node: the tree of memcgs, since when each pod is there, what each container is."""

import os
from dataclasses import replace

from oompolicy_agent.guard.kill import INIT
from oompolicy_agent.guard.layout import Kind, Place
from oompolicy_agent.guard.memcgs import CgroupFS
from oompolicy_agent.guard.sandboxes import Roles
from oompolicy_agent.guard.settings import Limits
from oompolicy_agent.guard.snapshot import Facts

__all__ = ["Census"]

LOOK_SECONDS = 1.0
"""How often we ask whether anything came or went."""
RECOUNT_SECONDS = 60.0
"""How often everything is listed again: a container that replaced another leaves the link counts as they were."""


class Census:
    """The last known tree; `refresh` brings it up to date."""

    def __init__(self, cgroups: CgroupFS, roles: Roles, limits: Limits, pod_uid: str) -> None:
        self.tree: list[Place] = []
        self.version = 0
        """Grows with every change of the tree."""
        self._cgroups = cgroups
        self._roles = roles
        self._limits = limits
        self._own = frozenset({pod_uid} if pod_uid else ())
        self._by_path: dict[str, Place] = {}
        self._first_seen: dict[str, float] = {}
        self._signature: object = None
        self._looked_at = self._counted_at = float("-inf")
        self._swap, self._swap_at = 0, float("nan")

    @property
    def top(self) -> Place | None:
        """What holds all pods."""
        return next((place for place in self.tree if place.kind is Kind.TOP), None)

    @property
    def pods(self) -> list[Place]:
        """The pods' own memcgs."""
        return [place for place in self.tree if place.kind is Kind.POD]

    def refresh(self, now: float) -> None:
        """Lists the tree again if something has changed, asking at most once a second."""
        if now - self._looked_at >= LOOK_SECONDS:
            self.look(now)

    def look(self, now: float) -> None:
        """Lists the tree again if something has changed."""
        self._looked_at = now
        is_old = now - self._counted_at >= RECOUNT_SECONDS
        if is_old or self._cgroups.signature(self.tree) != self._signature:
            self.recount(now)

    def recount(self, now: float) -> None:
        """Lists the tree again."""
        before, self.tree = self._by_path, self._cgroups.tree()
        self._by_path = {place.path: place for place in self.tree}
        self._signature, self._counted_at = self._cgroups.signature(self.tree), now
        if not before:
            self._own |= {place.pod_uid for place in self.tree if self._holds_us(place)}
        uids = [place.pod_uid for place in self.pods]
        self._first_seen = {uid: self._first_seen.get(uid, now) for uid in uids}
        self._roles.forget_all_but(place.container_id for place in self.tree)
        self.version += self._by_path != before

    def place(self, path: str) -> Place:
        """The place of a memcg in the last tree; raises KeyError."""
        return self._by_path[path]

    def facts(self, now: float) -> Facts:
        """What is known of the memcgs without measuring any."""
        containers = [place for place in self.tree if place.kind is Kind.CONTAINER]
        return Facts(
            roles={place.container_id: self._roles.of(place.container_id) for place in containers},
            ages={uid: now - since for uid, since in self._first_seen.items()},
            own=self._own,
            unread=frozenset(place.id for place in containers),
            unknown_seconds=self._limits.unknown_seconds,
        )

    def measured(self, facts: Facts, containers: list[Place], *, with_swap: bool) -> tuple[Facts, bool]:
        """The facts with the usage of these containers; and whether all are there, or the tree is out of date."""
        usage, is_current = dict(facts.usage), True
        for place in containers:
            is_populated = self._cgroups.is_populated(place.path)
            found = self._cgroups.usage(place.path, with_swap=with_swap) if is_populated else None
            if found is not None:
                usage[place.id] = found
            is_current = is_current and is_populated is not None
        unread = facts.unread.difference(place.id for place in containers)
        return replace(facts, usage=usage, unread=unread), is_current

    def may_swap(self) -> int:
        """How many bytes the containers together may still put into swap, as of the last look."""
        if self._swap_at != self._looked_at:
            self._swap_at = self._looked_at
            self._swap = sum(self._may_swap(place.path) for place in self.tree if place.kind is Kind.CONTAINER)
        return self._swap

    def _holds_us(self, place: Place) -> bool:
        """Whether the guard itself or PID 1 runs in this container. Neither ever moves."""
        if place.kind is not Kind.CONTAINER:
            return False
        return not {os.getpid(), INIT}.isdisjoint(self._cgroups.processes(place.path))

    def _may_swap(self, path: str) -> int:
        """Between what it has in swap and its limit there; no more than it has in memory."""
        held, current = self._cgroups.number(path, "memory.swap.current"), self._cgroups.current(path)
        if held is None or current is None:
            return 0
        limit = self._cgroups.number(path, "memory.swap.max")
        return current if limit is None else max(0, min(current, limit - held))
