"""Notices what the kernel's own OOM killer did on the node, so that nobody takes it for the policy's doing.

Kills at a container's or pod's own limit are that pod's affair and not counted; the others mean that we were too late.
"""

from dataclasses import dataclass

from oompolicy_agent.guard.layout import Place
from oompolicy_agent.guard.memcgs import CgroupFS

__all__ = ["KernelKill", "KernelKills"]


@dataclass(frozen=True, slots=True)
class KernelKill:
    """Processes that the kernel killed for one domain; `pod` None: not in any pod that we know."""

    pod: Place | None
    count: int
    domain: str


class KernelKills:
    """Compares counters. A pod's counters include those of its containers, also of containers that are gone."""

    def __init__(self, cgroups: CgroupFS) -> None:
        self._cgroups = cgroups
        self._total: int | None = None
        self._by_pod: dict[int, tuple[int, int]] = {}
        self._limit_hits = 0

    def adopt(self, pods: list[Place], top: Place | None) -> None:
        """Takes the counters of new pods as they are; forgets pods that are gone."""
        self._by_pod = {pod.id: self._by_pod.get(pod.id) or self._counters(pod) for pod in pods}
        if top and self._total is None:
            self._limit_hits = self._hits(top)

    def since_last(self, total: int, pods: list[Place], top: Place | None) -> list[KernelKill]:
        """What the kernel killed since the last call, except at pods' own limits; `total` is its count since boot."""
        before, self._total = self._total, total
        if before is None or total <= before:
            return []
        kills, explained = [], 0
        domain = self._domain(top)
        for pod in pods:
            old, new = self._by_pod.get(pod.id, (0, 0)), self._counters(pod)
            self._by_pod[pod.id] = new
            count = new[0] - old[0]
            explained += count
            if count > 0 and new[1] == old[1]:
                kills.append(KernelKill(pod, count, domain))
        if total - before > explained:
            kills.append(KernelKill(None, total - before - explained, domain))
        return kills

    def _domain(self, top: Place | None) -> str:
        """All pods' own limit if that was hit, else the node."""
        if top is None:
            return "/"
        before, self._limit_hits = self._limit_hits, self._hits(top)
        return top.path if self._limit_hits > before else "/"

    def _counters(self, pod: Place) -> tuple[int, int]:
        """Processes killed in the pod, and how often it or a container of it could not stay below its own limit."""
        events = self._cgroups.counters(pod.path, "memory.events") or {}
        return events.get("oom_kill", 0), events.get("oom", 0)

    def _hits(self, top: Place) -> int:
        return (self._cgroups.counters(top.path, "memory.events.local") or {}).get("oom", 0)
