"""Notices what the kernel's own OOM killer did on the node, so that nobody takes it for the policy's doing.

Kills at the limit of a pod or container are left to the kernel; the others mean that we were too late.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from oompolicy_agent.guard.layout import Kind, Place
from oompolicy_agent.guard.memcgs import CgroupFS

__all__ = ["Belated", "KernelKill", "KernelKills"]

MOST_CHANGES = 512
"""Of a count, that are remembered: more than there are passes in some seconds."""


@dataclass(frozen=True, slots=True)
class KernelKill:
    """Processes that the kernel killed for one domain."""

    pod: Place | None
    """None: not in any pod that we know."""
    container: Place | None
    """None: nobody can say which; its memcg may be gone."""
    count: int
    domain: str

    @property
    def is_own_limit(self) -> bool:
        """Whether the pod, or a container of it, came to its own limit."""
        return self.pod is not None and self.domain == self.pod.path


@dataclass(frozen=True, slots=True)
class _Counts:
    """Of a memcg and all below it since it was made, also of what is gone by now."""

    kills: int = 0
    """Processes that the kernel killed in it, for whatever domain."""
    limits: int = 0
    """How often it, or a memcg in it, could not stay below its own limit."""


class Belated:
    """A count that only rises, as it was so many seconds ago; at first as it was first seen."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._changes: deque[tuple[float, int]] = deque(maxlen=MOST_CHANGES)

    def seen(self, now: float, count: int) -> int:
        """Takes in what the count is, and returns what it was."""
        if not self._changes or count != self._changes[-1][1]:
            self._changes.append((now, count))
        while len(self._changes) > 1 and self._changes[1][0] <= now - self._seconds:
            self._changes.popleft()
        return self._changes[0][1]


class KernelKills:
    """Compares counters from look to look."""

    def __init__(self, cgroups: CgroupFS) -> None:
        self._cgroups = cgroups
        self._total: int | None = None
        self._counts: dict[int, _Counts] = {}
        self._limit_hits = 0
        self._ahead = 0
        """Kills that pods' counters had before the total was read."""

    def adopt(self, tree: Sequence[Place], top: Place | None) -> None:
        """Takes the counters of new pods and containers as they are; forgets what is gone."""
        wanted = [place for place in tree if place.kind in {Kind.POD, Kind.CONTAINER}]
        self._counts = {place.id: self._counts.get(place.id) or self._read(place) for place in wanted}
        if top and self._total is None:
            self._limit_hits = self._hits(top)

    def since_last(self, total: int, tree: Sequence[Place], top: Place | None) -> list[KernelKill]:
        """What the kernel killed since the last call; `total` is its count since boot."""
        before, self._total = self._total, max(total, self._total or 0)
        if before is None or total <= before:
            return []
        domain = self._domain(top)
        kills = [kill for pod in tree if pod.kind is Kind.POD and (kill := self._in_pod(pod, tree, domain))]
        rest = total - before - self._ahead - sum(kill.count for kill in kills)
        self._ahead = max(0, -rest)
        return [*kills, KernelKill(None, None, rest, domain)] if rest > 0 else kills

    def _in_pod(self, pod: Place, tree: Sequence[Place], domain: str) -> KernelKill | None:
        counts, before = self._next(pod)
        if counts.kills <= before.kills:
            return None
        containers = [place for place in tree if place.kind is Kind.CONTAINER and place.pod_uid == pod.pod_uid]
        risen = [place for place in containers if _has_risen(*self._next(place))]
        only = risen[0] if len(risen) == 1 else None
        own = counts.limits > before.limits
        return KernelKill(pod, only, counts.kills - before.kills, pod.path if own else domain)

    def _domain(self, top: Place | None) -> str:
        """All pods' own limit if that was hit, else the node."""
        if top is None:
            return "/"
        before, self._limit_hits = self._limit_hits, self._hits(top)
        return top.path if self._limit_hits > before else "/"

    def _next(self, place: Place) -> tuple[_Counts, _Counts]:
        """The counts now and at the last look."""
        before = self._counts.get(place.id, _Counts())
        self._counts[place.id] = counts = self._read(place)
        return counts, before

    def _read(self, place: Place) -> _Counts:
        events = self._cgroups.counters(place.path, "memory.events") or {}
        return _Counts(events.get("oom_kill", 0), events.get("oom", 0))

    def _hits(self, top: Place) -> int:
        return (self._cgroups.counters(top.path, "memory.events.local") or {}).get("oom", 0)


def _has_risen(now: _Counts, before: _Counts) -> bool:
    return now.kills > before.kills
