"""Reads memory cgroups (v2) from the cgroup file system: what each uses, who is in it, what is below it.

A memcg can be gone between any two reads; that is an ordinary answer here, None or empty, and never an error.
"""

import contextlib
import errno
import itertools
import os
import re
from collections.abc import Iterable

from oompolicy_agent.guard.files import read_kernel
from oompolicy_agent.guard.kept import Kept

__all__ = ["MOST_HELD", "CgroupFS", "usage_bytes"]

NO_LIMIT = "max"
POPULATED = "populated 1"
NO_CHILDREN = 2
"""Links of a directory without directories in it."""
MOST_NESTED = 256
MOST_HELD = 448
"""Files that are kept open: with those that others open, less than the 1,024 that a process may have by default."""
_DROPPABLE = re.compile(r"^(file|shmem|swapcached|slab_reclaimable) (\d+)", re.MULTILINE)
"""What `usage_bytes` needs of memory.stat, which has 60 lines more."""


class CgroupFS:
    """The cgroup v2 file system at `root`; paths are those of memcgs, with a leading slash."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._kept = Kept(MOST_HELD)
        self._held: frozenset[str] = frozenset()

    def hold(self, files: Iterable[tuple[str, str]]) -> None:
        """Keeps these files open and all others closed, so that to read them takes no memory.

        Args:
            files: memcg and name of each, the most important first; at most MOST_HELD are held.
        """
        wanted = [self._full(path, name) for path, name in itertools.islice(files, MOST_HELD)]
        new = [path for path in wanted if path not in self._held]
        self._held = frozenset(wanted)
        self._kept.forget(self._held.__contains__)
        for path in new:
            with contextlib.suppress(OSError, ValueError):  # whoever reads it later will hear of it
                self._kept.read(path)

    def usage(self, path: str, *, with_swap: bool) -> int | None:
        """What a kill would give back, in bytes; None if the memcg is gone."""
        current, found = self.number(path, "memory.current"), self.read(path, "memory.stat")
        swap = self.number(path, "memory.swap.current") if with_swap else 0
        if current is None or found is None:
            return None
        counters = {name: int(size) for name, size in _DROPPABLE.findall(found)}
        return usage_bytes(current, swap or 0, counters)

    def current(self, path: str) -> int | None:
        """All that is charged to the memcg, in bytes; None if it is gone."""
        return self.number(path, "memory.current")

    def id_of(self, path: str) -> int | None:
        """The cgroup id of the memcg that is there now; None if there is none."""
        try:
            return os.stat(self.root + path).st_ino  # noqa: PTH116 - pathlib is not worth its memory in the guard
        except OSError:
            return None

    def is_populated(self, path: str) -> bool | None:
        """Whether a live process is in it or below; None if it is gone."""
        found = self.read(path, "cgroup.events")
        return None if found is None else POPULATED in found

    def processes(self, path: str) -> list[int]:
        """The processes in the memcg and all below it; exiting ones are not listed by the kernel.

        A tenant may nest thousands of memcgs in his container: we look into the first, `cgroup.kill` reaches all.
        """
        pids, todo = [], [path]
        for memcg in todo:  # it grows while we walk it
            pids += self._members(memcg)
            if len(todo) < MOST_NESTED and self.links(memcg) != NO_CHILDREN:
                todo += [f"{memcg}/{name}" for name, _ in self.children(memcg)]
        return pids

    def _members(self, path: str) -> list[int]:
        """The processes in one cgroup; those of a threaded one (EOPNOTSUPP) are listed by the domain that it is in."""
        try:
            found = self.read(path, "cgroup.procs")
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:
                raise
            return []
        return [int(line) for line in found.split()] if found else []

    def counters(self, path: str, name: str) -> dict[str, int] | None:
        """A file of lines `key number`; None if the memcg is gone."""
        found = self.read(path, name)
        if found is None:
            return None
        pairs = (line.split(" ", 1) for line in found.splitlines())
        return {pair[0]: int(pair[1]) for pair in pairs}

    def number(self, path: str, name: str) -> int | None:
        """A file with one number; None if the memcg is gone, or if it says `max`."""
        found = self.read(path, name)
        return None if found is None or found.startswith(NO_LIMIT) else int(found)

    def read(self, path: str, name: str) -> str | None:
        """One file of a memcg; None if it is gone."""
        full = self._full(path, name)
        return self._kept.read(full) if full in self._held else read_kernel(full)

    def exists(self, path: str, name: str) -> bool:
        """Whether a memcg has such a file."""
        return os.access(self._full(path, name), os.F_OK)

    def children(self, path: str) -> list[tuple[str, int]]:
        """Names and ids of the cgroups directly below; none if it is gone."""
        try:
            with os.scandir(self.root + path) as entries:
                return [(entry.name, entry.inode()) for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError:
            return []

    def links(self, path: str) -> int:
        """How many cgroups are directly below, plus two, where the file system counts so; 0 if it is gone."""
        try:
            return os.stat(self.root + path).st_nlink  # noqa: PTH116 - pathlib is not worth its memory in the guard
        except OSError:
            return 0

    def _full(self, path: str, name: str) -> str:
        return f"{self.root}{path.rstrip('/')}/{name}"


def usage_bytes(current: int, swap: int, counters: dict[str, int]) -> int:
    """What a kill gives back: everything but what the kernel can drop without one.

    Page cache is not the victim's fault, shared memory is; reclaimable slab is dropped, too. Swap cache is in `current`
    and in `swap`, so it is taken off once. An emptyDir in memory outlives the kill: a known overestimate.

    Args:
        current: memory.current.
        swap: memory.swap.current.
        counters: memory.stat.
    """
    cache = counters.get("file", 0) - counters.get("shmem", 0)
    droppable = counters.get("swapcached", 0) + cache + counters.get("slab_reclaimable", 0)
    return max(0, current + swap - droppable)
