"""How much memory swapping can still give: free swap space, less where "swap" is compressed memory (zram). Pure.

What goes to zram stays in memory, only smaller, so it counts as far as the device has compressed what it holds already.
A swap file or partition gives all of it back. So does zswap in the end: it keeps a compressed copy in memory first, but
each page in it has its place on the disk behind it, and goes there when the pool is full. The disk stays the limit, and
what zswap holds meanwhile is missing from MemAvailable already.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Room", "SwapArea", "Zram", "parse_mm_stat", "parse_swaps", "swap_room", "zram_number"]

KIBIBYTE = 1024
ENOUGH_TO_TELL = 16 << 20
"""Bytes that a zram device must hold before its ratio says anything."""
UNTOLD_GAIN = 0.5
_AREA = re.compile(r"^(\S+)\s+(\S+)\s+(\d+)\s+(\d+)\s+(-?\d+)$", re.MULTILINE)
_ZRAM = re.compile(r"(?:/dev)?/zram(\d+)")
"""A process with another /dev (a container) is shown the path from the root of the host's devtmpfs."""


@dataclass(frozen=True, slots=True)
class Zram:
    """The state of one zram device, from its mm_stat; bytes."""

    stored: int
    """orig_data_size: what it holds, before compression."""
    used: int
    """mem_used_total: the memory that takes, with what the allocator wastes."""
    limit: int
    """mem_limit: the most memory it may take; 0: no limit."""

    @property
    def gain(self) -> float:
        """How much of each byte that goes there is free afterwards. One half while it holds less than 16 MiB."""
        if self.stored < ENOUGH_TO_TELL:
            return UNTOLD_GAIN
        return max(0.0, 1 - self.used / self.stored)

    @property
    def takes(self) -> float:
        """How many bytes it still takes before it meets its limit."""
        if self.limit == 0 or self.gain == 1:
            return float("inf")
        return max(0, self.limit - self.used) / (1 - self.gain)


@dataclass(frozen=True, slots=True)
class SwapArea:
    """One swap device or file; bytes."""

    name: str
    size: int
    used: int
    priority: int
    """The kernel fills the highest first."""
    is_partition: bool = True
    zram: Zram | None = None

    @property
    def free(self) -> int:
        """What still fits."""
        free = self.size - self.used
        return int(min(free, self.zram.takes)) if self.zram else free

    @property
    def gain(self) -> float:
        """How much of each byte that goes there is free afterwards."""
        return self.zram.gain if self.zram else 1.0


@dataclass(frozen=True, slots=True)
class Room:
    """What may still be swapped out, in bytes."""

    out: int = 0
    """So much can leave a memcg: what zram holds is charged to none."""
    gain: int = 0
    """So much memory of the node is free afterwards."""


def parse_swaps(text: str) -> list[SwapArea]:
    """Reads /proc/swaps; lines that are not of its format are left out."""
    return [
        SwapArea(name, int(size) * KIBIBYTE, int(used) * KIBIBYTE, int(priority), kind == "partition")
        for name, kind, size, used, priority in _AREA.findall(text)
    ]


def zram_number(area: SwapArea) -> int | None:
    """Which zram device it is, None if it is something else."""
    found = _ZRAM.fullmatch(area.name) if area.is_partition else None
    return int(found[1]) if found else None


def parse_mm_stat(text: str | None) -> Zram:
    """Reads a zram device's mm_stat (Linux 4.1); what cannot be read is taken for a device that holds nothing yet."""
    try:
        stored, _, used, limit = map(int, (text or "").split()[:4])
    except ValueError:
        return Zram(0, 0, 0)
    return Zram(stored, used, limit)


def swap_room(areas: Iterable[SwapArea], pods_may_swap: int, free_percent: int) -> Room:
    """How much swap may stand in for memory: what is free above a reserve, at most what the pods may still use.

    Args:
        areas: all that is swapped to. Filled in the kernel's order, so the reserve is in those of the lowest priority.
        pods_may_swap: bytes.
        free_percent: the reserve's share of all swap space.
    """
    # At equal priority the kernel takes turns; the one that gives least goes first here, to promise nothing.
    ordered = sorted(areas, key=lambda area: (-area.priority, area.gain))
    reserve = sum(area.size for area in ordered) * free_percent // 100
    out = left = max(0, min(sum(area.free for area in ordered) - reserve, pods_may_swap))
    gain = 0.0
    for area in ordered:
        taken = min(left, area.free)
        gain += taken * area.gain
        left -= taken
    return Room(out, int(gain))
