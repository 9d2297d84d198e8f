"""Measures each domain that can be short: the node, and what holds all pods if that has a limit.

Everything that is read at every look is read through descriptors that stay open.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from oompolicy_agent.guard.kept import Kept
from oompolicy_agent.guard.margin import Meminfo, limited_margin, node_margin, parse_meminfo
from oompolicy_agent.guard.memcgs import CgroupFS
from oompolicy_agent.guard.protection import MOST_WATCHED, Protection
from oompolicy_agent.guard.rises import Rises
from oompolicy_agent.guard.settings import Limits
from oompolicy_agent.guard.swaps import Room, SwapArea, parse_mm_stat, parse_swaps, swap_room, zram_number
from oompolicy_agent.guard.trigger import Sample, thresholds

__all__ = ["NODE", "Gauges", "Reading"]

NODE = "/"
"""The domain that is the whole node."""
MOST_KEPT = 3 + 4 + 2 * 2 * MOST_WATCHED + 4
"""Descriptors: of the node, of the pods' domain, of protected memcgs below both, of a few zram devices."""
SHORT = 2
"""A domain whose margin is below so many thresholds may soon be short."""
_OOM_KILL = "oom_kill"
# A newline in front, not ^: what begins with a fixed character is found five times as fast.
_EVENTS = re.compile(r"\n(allocstall_\w+|oom_kill) (\d+)")
_STAT = re.compile(r"\n((?:in)?active_file|file_dirty|file_writeback|slab_reclaimable) (\d+)")
_MAX = re.compile(r"\nmax (\d+)")
_NO_LIMIT = "max"


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at everything."""

    node: Sample
    pods: Sample | None
    """Of what holds all pods; None if it has no limit, or is not there."""
    kernel_kills: int
    """Processes that the kernel's OOM killer has ended since boot, for whatever reason."""
    protected: int = 0
    """What the node's margin is less than MemAvailable, in bytes."""


class Gauges:
    """Reads, and remembers counters of the look before: a stall counts only if the domain itself had to reclaim.

    Args:
        cgroups: the cgroup file system.
        proc: where procfs is.
        limits: the numbers to go by; may be replaced at any time.
        stall: says how long a domain stood still in the last window, in milliseconds, given the time now.
        sys: where sysfs is.
    """

    def __init__(
        self, cgroups: CgroupFS, proc: str, limits: Limits, stall: Callable[[str, float], int], *, sys: str = "/sys"
    ) -> None:
        self.limits = limits
        self._root = cgroups.root
        self._proc = proc
        self._sys = sys
        self._stall = stall
        self._kept = Kept(MOST_KEPT)
        self._rises = Rises()
        self._protections: dict[str, Protection] = {}
        """By domain."""

    def read(self, top: str | None, pods_may_swap: Callable[[], int]) -> Reading:
        """Measures now.

        Args:
            top: the path of what holds all pods, None if there is none.
            pods_may_swap: says how many bytes the pods may still put into swap; asked only where there is swap.
        """
        self._forget_all_but(top)
        meminfo = self.meminfo()
        direct_reclaims, kernel_kills = self._vmstat()
        now = time.monotonic()
        has_swap = meminfo.swap_total > 0
        swap = swap_room(self._areas(meminfo), pods_may_swap(), self.limits.swap_free_percent) if has_swap else Room()
        protection = self._protection(NODE)
        margin = node_margin(meminfo, protection.protected(self._kept, now))
        protection.is_short = self._is_short(margin, meminfo.total)
        return Reading(
            node=Sample(
                time=now,
                margin=margin,
                size=meminfo.total,
                swap=swap.gain,
                has_swap=has_swap,
                stall_milliseconds=self._counted_stall(NODE, now, direct_reclaims),
                kubelet_signal=meminfo.kubelet_signal,
            ),
            pods=self._limited(top, now, swap.out) if top else None,
            kernel_kills=kernel_kills,
            protected=meminfo.available - margin,
        )

    def limit(self, path: str) -> int | None:
        """A domain's memory.max, in bytes; None if it has none, or is gone."""
        found = self._memcg(path, "memory.max").strip()
        return int(found) if found and found != _NO_LIMIT else None

    def used(self, path: str) -> int | None:
        """What is charged to a domain, in bytes; None if it is gone."""
        found = self._memcg(path, "memory.current")
        return int(found) if found else None

    def meminfo(self) -> Meminfo:
        """The node's memory now."""
        return parse_meminfo(self._kept.read(f"{self._proc}/meminfo") or "")

    def _limited(self, path: str, now: float, swap: int) -> Sample | None:
        limit, current = self.limit(path), self._memcg(path, "memory.current")
        if limit is None or not current:
            return None
        counters = {name: int(size) for name, size in _STAT.findall("\n" + self._memcg(path, "memory.stat"))}
        protection = self._protection(path)
        margin = limited_margin(limit, int(current), counters, protection.protected(self._kept, now))
        protection.is_short = self._is_short(margin, limit)
        events = _MAX.search("\n" + self._memcg(path, "memory.events.local"))
        return Sample(
            time=now,
            margin=margin,
            size=limit,
            swap=swap,
            has_swap=swap > 0,
            stall_milliseconds=self._counted_stall(path, now, int(events[1]) if events else 0),
        )

    def _memcg(self, path: str, name: str) -> str:
        """A file of a memcg; empty if it is gone."""
        return self._kept.read(f"{self._root}{path}/{name}") or ""

    def _vmstat(self) -> tuple[int, int]:
        """Direct reclaims (not those of a memcg at its limit, which count elsewhere) and OOM kills since boot."""
        found = _EVENTS.findall("\n" + (self._kept.read(f"{self._proc}/vmstat") or ""))
        kernel_kills = sum(int(value) for name, value in found if name == _OOM_KILL)
        return sum(int(value) for name, value in found if name != _OOM_KILL), kernel_kills

    def _areas(self, meminfo: Meminfo) -> list[SwapArea]:
        """What the node swaps to; all of it as one disk if the kernel does not say."""
        text = self._kept.read(f"{self._proc}/swaps")
        if text is None:
            return [SwapArea("", meminfo.swap_total, meminfo.swap_total - meminfo.swap_free, 0)]
        return [self._with_zram(area) for area in parse_swaps(text)]

    def _with_zram(self, area: SwapArea) -> SwapArea:
        number = zram_number(area)
        if number is None:
            return area
        return replace(area, zram=parse_mm_stat(self._kept.read(f"{self._sys}/block/zram{number}/mm_stat")))

    def _protection(self, domain: str) -> Protection:
        if domain not in self._protections:
            self._protections[domain] = Protection(self._root, domain, self._proc)
        return self._protections[domain]

    def _is_short(self, margin: int, size: int) -> bool:
        return margin < SHORT * thresholds(size, None, self.limits).room

    def _forget_all_but(self, top: str | None) -> None:
        for domain in [domain for domain in self._protections if domain not in {NODE, top}]:
            del self._protections[domain]
            self._rises.forget(domain)
            self._kept.forget(partial(_is_outside, f"{self._root}{domain}/"))

    def _counted_stall(self, domain: str, now: float, reclaims: int) -> int:
        """The stall in the last window, if the domain's own reclaim counter has risen in it."""
        window = self.limits.window_milliseconds / 1000
        return self._stall(domain, now) if self._rises.see(domain, reclaims, now, window) else 0


def _is_outside(folder: str, path: str) -> bool:
    return not path.startswith(folder)
