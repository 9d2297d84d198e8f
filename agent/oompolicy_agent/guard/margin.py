"""How much memory is left before the kernel must kill: of the node, and of a memcg with a limit. Pure; all in bytes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Meminfo", "limited_margin", "parse_meminfo", "swap_room"]

KIBIBYTE = 1024
_LINES = re.compile(r"^(MemTotal|MemAvailable|MemFree|Inactive\(file\)|SwapTotal|SwapFree): +(\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Meminfo:
    """What a decision takes from /proc/meminfo."""

    total: int
    available: int
    """MemAvailable: what can be had without swapping, by the kernel's own estimate."""
    free: int
    inactive_file: int
    swap_total: int
    swap_free: int

    @property
    def kubelet_signal(self) -> int:
        """What kubelet compares with its eviction threshold: active page cache counts as used, inactive does not."""
        return self.free + self.inactive_file


def parse_meminfo(text: str) -> Meminfo:
    """Reads /proc/meminfo; raises KeyError naming a line that is missing."""
    sizes = {name: int(size) * KIBIBYTE for name, size in _LINES.findall(text)}
    return Meminfo(
        total=sizes["MemTotal"],
        available=sizes["MemAvailable"],
        free=sizes["MemFree"],
        inactive_file=sizes["Inactive(file)"],
        swap_total=sizes["SwapTotal"],
        swap_free=sizes["SwapFree"],
    )


def limited_margin(limit: int, current: int, counters: Mapping[str, int]) -> int:
    """What is left below memory.max: room, clean page cache, and half of the slab that can be reclaimed.

    Args:
        limit: memory.max.
        current: memory.current.
        counters: memory.stat of the same memcg.
    """
    cache = counters.get("active_file", 0) + counters.get("inactive_file", 0)
    unclean = counters.get("file_dirty", 0) + counters.get("file_writeback", 0)
    return limit - current + max(0, cache - unclean) + counters.get("slab_reclaimable", 0) // 2


def swap_room(meminfo: Meminfo, pods_may_swap: int, swap_free_percent: int) -> int:
    """How much swap may stand in for memory: what is free above a reserve, at most what the pods may still use."""
    free = meminfo.swap_free - meminfo.swap_total * swap_free_percent // 100
    return max(0, min(free, pods_may_swap))
