"""Keeps count of who is on the node: the tree of memcgs, since when each pod is there, what each container is."""

import os

from oompolicy_agent.guard.kill import INIT
from oompolicy_agent.guard.layout import Kind, Place
from oompolicy_agent.guard.memcgs import CgroupFS
from oompolicy_agent.guard.sandboxes import Roles
from oompolicy_agent.guard.settings import Limits
from oompolicy_agent.guard.snapshot import Facts, is_container
from oompolicy_agent.guard.targets import Targets

__all__ = ["Census"]

LOOK_SECONDS = 1.0
"""How often we ask whether anything came or went."""
RECOUNT_SECONDS = 10.0
"""How often everything is listed again, in case that a change left the link counts as they were."""


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

    def refresh(self, now: float, *, must: bool = False) -> None:
        """Lists the tree again if something may have changed, or because it `must`."""
        if not must and now - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = now
        is_old = now - self._counted_at >= RECOUNT_SECONDS
        if must or is_old or self._cgroups.signature(self.tree) != self._signature:
            self._recount(now)

    def place(self, path: str) -> Place:
        """The place of a memcg in the last tree; raises LookupError."""
        for place in self.tree:
            if place.path == path:
                return place
        raise LookupError(f"expected {path} in the tree of memcgs, found none: a bug in the making of the snapshot")

    def facts(
        self,
        targets: Targets,
        now: float,
        *,
        with_usage: bool,
        with_swap: bool = False,
        excluded: frozenset[int] = frozenset(),
        futile: frozenset[str] = frozenset(),
    ) -> Facts:
        """What a snapshot needs to know; `with_usage` reads three files of every container that could die."""
        roles = {c.container_id: self._roles.of(c.container_id) for c in self.tree if c.kind is Kind.CONTAINER}
        return Facts(
            roles=roles,
            ages={uid: now - since for uid, since in self._first_seen.items()},
            usage=self._usage(targets, roles, with_swap=with_swap) if with_usage else {},
            own=self._own,
            excluded=excluded,
            futile=futile,
            unknown_seconds=self._limits.unknown_seconds,
        )

    def may_swap(self) -> int:
        """How many bytes the containers together may still put into swap, as of the last look."""
        if self._swap_at != self._looked_at:
            self._swap_at = self._looked_at
            self._swap = sum(self._may_swap(place.path) for place in self.tree if place.kind is Kind.CONTAINER)
        return self._swap

    def untold(self, targets: Targets) -> list[str]:
        """Containers by id of which nobody says whether they are sandboxes; they are left alone."""
        containers = [place for place in self.tree if place.kind is Kind.CONTAINER]
        roles = {place.container_id: self._roles.of(place.container_id) for place in containers}
        return [
            place.container_id
            for place in containers
            if roles[place.container_id] is None and not is_container(place, targets, roles)
        ]

    def _recount(self, now: float) -> None:
        before, self.tree = self.tree, self._cgroups.tree()
        self._signature, self._counted_at = self._cgroups.signature(self.tree), now
        if not before:
            self._own |= {place.pod_uid for place in self.tree if self._holds_us(place)}
        uids = [place.pod_uid for place in self.pods]
        self._first_seen = {uid: self._first_seen.get(uid, now) for uid in uids}
        self._roles.forget_all_but(place.container_id for place in self.tree)
        self.version += self.tree != before

    def _holds_us(self, place: Place) -> bool:
        """Whether the guard itself or PID 1 runs in this container. Neither ever moves."""
        if place.kind is not Kind.CONTAINER:
            return False
        return not {os.getpid(), INIT}.isdisjoint(self._cgroups.processes(place.path))

    def _usage(self, targets: Targets, roles: dict[str, str | None], *, with_swap: bool) -> dict[int, int]:
        usage = {}
        for place in self.tree:
            target = targets.pods.get(place.pod_uid)
            if place.pod_uid in self._own or (target and target.protect == "Always"):
                continue
            if is_container(place, targets, roles) and self._cgroups.is_populated(place.path):
                found = self._cgroups.usage(place.path, with_swap=with_swap)
                if found is not None:
                    usage[place.id] = found
        return usage

    def _may_swap(self, path: str) -> int:
        """Between what it has in swap and its limit there; no more than it has in memory."""
        held, current = self._cgroups.number(path, "memory.swap.current"), self._cgroups.current(path)
        if held is None or current is None:
            return 0
        limit = self._cgroups.number(path, "memory.swap.max")
        return current if limit is None else max(0, min(current, limit - held))
