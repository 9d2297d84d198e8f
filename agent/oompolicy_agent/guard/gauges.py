"""Measures each domain that can be short: the node, and what holds all pods if that has a limit."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from oompolicy_agent.guard.files import read_kernel
from oompolicy_agent.guard.margin import Meminfo, limited_margin, parse_meminfo, swap_room
from oompolicy_agent.guard.memcgs import CgroupFS
from oompolicy_agent.guard.settings import Limits
from oompolicy_agent.guard.trigger import Sample

__all__ = ["NODE", "Gauges", "Reading"]

NODE = "/"
"""The domain that is the whole node."""
_OOM_KILL = "oom_kill"
_LINES = re.compile(r"^(allocstall_\w+|oom_kill) (\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at everything."""

    node: Sample
    pods: Sample | None
    """Of what holds all pods; None if it has no limit, or is not there."""
    kernel_kills: int
    """Processes that the kernel's OOM killer has ended since boot, for whatever reason."""


class Gauges:
    """Reads, and remembers counters of the look before: a stall counts only if the domain itself had to reclaim."""

    def __init__(self, cgroups: CgroupFS, proc: str, limits: Limits, stall: Callable[[str, float], int]) -> None:
        self._cgroups = cgroups
        self._proc = proc
        self._limits = limits
        self._stall = stall
        self._reclaims: dict[str, tuple[int, float]] = {}

    def read(self, top: str | None, pods_may_swap: Callable[[], int]) -> Reading:
        """Measures now.

        Args:
            top: the path of what holds all pods, None if there is none.
            pods_may_swap: says how many bytes the pods may still put into swap; asked only where there is swap.
        """
        meminfo = self.meminfo()
        direct_reclaims, kernel_kills = self._vmstat()
        now = time.monotonic()
        swap = swap_room(meminfo, pods_may_swap(), self._limits.swap_free_percent) if meminfo.swap_total else 0
        return Reading(
            node=Sample(
                time=now,
                margin=meminfo.available,
                size=meminfo.total,
                swap=swap,
                has_swap=meminfo.swap_total > 0,
                stall_milliseconds=self._counted_stall(NODE, now, direct_reclaims),
                kubelet_signal=meminfo.kubelet_signal,
            ),
            pods=self._limited(top, now, swap) if top else None,
            kernel_kills=kernel_kills,
        )

    def meminfo(self) -> Meminfo:
        """The node's memory now."""
        return parse_meminfo(read_kernel(f"{self._proc}/meminfo") or "")

    def _limited(self, path: str, now: float, swap: int) -> Sample | None:
        limit, current = self._cgroups.number(path, "memory.max"), self._cgroups.current(path)
        if limit is None or current is None:
            return None
        counters = self._cgroups.counters(path, "memory.stat") or {}
        events = self._cgroups.counters(path, "memory.events.local") or {}
        return Sample(
            time=now,
            margin=limited_margin(limit, current, counters),
            size=limit,
            swap=swap,
            has_swap=swap > 0,
            stall_milliseconds=self._counted_stall(path, now, events.get("max", 0)),
        )

    def _vmstat(self) -> tuple[int, int]:
        """Direct reclaims and OOM kills since boot."""
        found = _LINES.findall(read_kernel(f"{self._proc}/vmstat") or "")
        kernel_kills = sum(int(value) for name, value in found if name == _OOM_KILL)
        return sum(int(value) for name, value in found if name != _OOM_KILL), kernel_kills

    def _counted_stall(self, domain: str, now: float, reclaims: int) -> int:
        """The stall in the last window, if the domain's own reclaim counter has risen in it."""
        before, risen_at = self._reclaims.get(domain, (reclaims, 0.0))
        if reclaims != before:
            risen_at = now
        self._reclaims[domain] = (reclaims, risen_at)
        has_reclaimed = now - risen_at <= self._limits.window_milliseconds / 1000
        return self._stall(domain, now) if has_reclaimed else 0
