"""How much memory is left before the kernel must kill: of the node, and of a memcg with a limit. Pure; all in bytes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Meminfo", "limited_margin", "node_margin", "parse_meminfo", "protected_file"]

KIBIBYTE = 1024
_LINES = re.compile(r"\n(MemTotal|MemAvailable|MemFree|Inactive\(file\)|SwapTotal|SwapFree): +(\d+)")
"""A newline in front, not ^: what begins with a fixed character is found several times as fast."""


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
    sizes = {name: int(size) * KIBIBYTE for name, size in _LINES.findall("\n" + text)}
    return Meminfo(
        total=sizes["MemTotal"],
        available=sizes["MemAvailable"],
        free=sizes["MemFree"],
        inactive_file=sizes["Inactive(file)"],
        swap_total=sizes["SwapTotal"],
        swap_free=sizes["SwapFree"],
    )


def protected_file(minimum: int, usage: int, file: int) -> int:
    """The page cache of a memcg that reclaim must leave alone because of memory.min.

    Reclaim takes from it until its usage is down to the minimum and then passes it by, whatever the rest consists of.

    Args:
        minimum: memory.min, as far as it takes effect.
        usage: memory.current.
        file: its page cache; a memcg's memory that is not page cache does not make this more or less.
    """
    return max(0, file - max(0, usage - minimum))


def node_margin(meminfo: Meminfo, protected: int) -> int:
    """What is left on the node: MemAvailable takes all page cache for reclaimable, and `protected` of it is not."""
    return max(0, meminfo.available - protected)


def limited_margin(limit: int, current: int, counters: Mapping[str, int], protected: int = 0) -> int:
    """What is left below memory.max: room, clean page cache, and half of the slab that can be reclaimed.

    Args:
        limit: memory.max.
        current: memory.current.
        counters: memory.stat of the same memcg.
        protected: page cache in it that memory.min of a memcg below it keeps.
    """
    cache = counters.get("active_file", 0) + counters.get("inactive_file", 0)
    unclean = counters.get("file_dirty", 0) + counters.get("file_writeback", 0)
    droppable = max(0, cache - unclean - protected)
    return limit - current + droppable + counters.get("slab_reclaimable", 0) // 2
