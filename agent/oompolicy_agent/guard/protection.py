"""Finds the page cache that looks reclaimable and is not: memory.min of a memcg keeps it, whoever else goes short.

The kernel gives a memcg below the domain as much protection as it asks for, and to those below that one no more than it
has got itself. So most domains have a handful of memcgs to ask, directly below them: these are read at every look. What
those further down keep changes with every pod; it is counted when the memcgs are listed again, and is that old between.

Where MGLRU is on, a changed memory.min takes effect on the node when kswapd next runs (seen on Linux 7.2), and with it
every shortage of a node begins. Until then more can be had than is said here.
"""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from oompolicy_agent.guard.files import read_kernel
from oompolicy_agent.guard.kept import Kept
from oompolicy_agent.guard.margin import protected_file

__all__ = ["MOST_WATCHED", "Protection"]

RELIST_SECONDS = 10.0
RELIST_SECONDS_WHEN_SHORT = 60.0
"""Listing opens many files, and when memory is short each of them may have to wait."""
MOST_WATCHED = 8
"""Memcgs directly below a domain that are read at every look: those that keep most."""
MOST_LISTED = 1024
"""Memcgs that are asked in one listing."""
DEPTH = 4
"""Levels below the node: what holds all pods, QoS class, pod, container."""
_FILE = re.compile(r"\n(?:in)?active_file (\d+)")
_RECURSIVE = re.compile(r"^\S+ \S+ cgroup2 \S*\bmemory_recursiveprot\b", re.MULTILINE)
_NO_LIMIT = "max"
_EVERYTHING = 1 << 63


@dataclass(frozen=True, slots=True)
class _Memcg:
    """A memcg that asks for protection; sizes in bytes, as of the listing."""

    path: str
    minimum: int
    """memory.min, as far as its parent has so much to give."""
    usage: int
    file: int
    """Its page cache, with that of all below."""
    keeps_own: bool
    """Whether the minimum counts for itself, and not only for those below that ask, too."""
    below: int = 0
    """Page cache that those below keep."""

    def protected(self, usage: int, file: int) -> int:
        """What of that page cache cannot be had at that usage."""
        own = protected_file(self.minimum, usage, file) if self.keeps_own else 0
        return max(own, min(file, self.below))


class Protection:
    """Below one domain, `/` for the node; `root` is where the cgroup file system is."""

    def __init__(self, root: str, domain: str, proc: str) -> None:
        self.is_short = False
        """Whether the domain is short of memory, so that looking closely would cost what it has not."""
        self._root = root
        self._domain = domain.rstrip("/")
        self._mounts = f"{proc}/mounts"
        self._is_inherited: bool | None = None
        self._watched: list[_Memcg] = []
        self._listed_at = float("-inf")
        self._left_to_list = 0

    def protected(self, kept: Kept, now: float) -> int:
        """The page cache that reclaim on the domain's behalf must leave alone, in bytes."""
        if now - self._listed_at >= (RELIST_SECONDS_WHEN_SHORT if self.is_short else RELIST_SECONDS):
            self._listed_at = now
            self._list()
        return sum(memcg.protected(*self._sizes(memcg.path, kept.read)) for memcg in self._watched)

    def _list(self) -> None:
        if self._is_inherited is None:
            # Without that mount option (Linux 5.7; systemd sets it) a minimum is nothing to the memcgs below.
            self._is_inherited = _RECURSIVE.search(read_kernel(self._mounts) or "") is not None
        self._left_to_list = MOST_LISTED
        found = self._ask(self._domain, _EVERYTHING, DEPTH)
        found.sort(key=lambda memcg: memcg.protected(memcg.usage, memcg.file), reverse=True)
        self._watched = found[:MOST_WATCHED]

    def _ask(self, path: str, most: int, depth: int) -> list[_Memcg]:
        """Those directly below that ask for protection, and what they get if their parent has `most` to give."""
        asking = [memcg for child in self._children(path) if (memcg := self._asking(child))]
        claimed = sum(min(memcg.minimum, memcg.usage) for memcg in asking)
        share = most / claimed if claimed > most else 1.0
        return [self._granted(memcg, share, depth - 1) for memcg in asking]

    def _granted(self, memcg: _Memcg, share: float, depth: int) -> _Memcg:
        effective = int(min(memcg.minimum, memcg.usage) * share)
        minimum = memcg.minimum if share == 1 else effective
        keeps_own = self._is_inherited or next(self._children(memcg.path), None) is None
        granted = _Memcg(memcg.path, minimum, memcg.usage, memcg.file, keeps_own)
        if depth == 0 or granted.protected(memcg.usage, memcg.file) == memcg.file:
            return granted
        below = sum(one.protected(one.usage, one.file) for one in self._ask(memcg.path, effective, depth))
        return _Memcg(memcg.path, minimum, memcg.usage, memcg.file, keeps_own, below)

    def _asking(self, path: str) -> _Memcg | None:
        if self._left_to_list == 0:
            return None
        self._left_to_list -= 1
        text = (read_kernel(f"{self._root}{path}/memory.min") or "0").strip()
        minimum = _EVERYTHING if text == _NO_LIMIT else int(text)
        return _Memcg(path, minimum, *self._sizes(path, read_kernel), keeps_own=True) if minimum else None

    def _sizes(self, path: str, read: Callable[[str], str | None]) -> tuple[int, int]:
        """Usage and page cache; 0 of a memcg that is gone."""
        usage, stat = read(f"{self._root}{path}/memory.current"), read(f"{self._root}{path}/memory.stat")
        return int(usage or 0), sum(map(int, _FILE.findall("\n" + (stat or ""))))

    def _children(self, path: str) -> Iterator[str]:
        try:
            with os.scandir(self._root + path) as entries:
                yield from (f"{path}/{entry.name}" for entry in entries if entry.is_dir(follow_symlinks=False))
        except OSError:
            return
