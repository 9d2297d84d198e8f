"""Reads memory cgroups (v2) from the cgroup file system: which there are, what each uses, who is in it.

A memcg can be gone between any two reads; that is an ordinary answer here, None or empty, and never an error.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass

from oompolicy_agent.guard.files import read_kernel
from oompolicy_agent.guard.layout import Kind, Place, classify, is_way_to_pods

__all__ = ["CgroupFS", "usage_bytes"]

NO_LIMIT = "max"
MOST_NESTED = 256


@dataclass(frozen=True, slots=True)
class CgroupFS:
    """The cgroup v2 file system at `root`; paths are those of memcgs, with a leading slash."""

    root: str

    def tree(self) -> list[Place]:
        """Every memcg that a choice can be about, parents before children.

        Nothing below a memcg of the host is listed, because that is protected as a whole, and nothing below a
        container, because that dies as one.
        """
        return list(self._walk("", None))

    def usage(self, path: str, *, with_swap: bool) -> int | None:
        """What a kill would give back, in bytes; None if the memcg is gone."""
        current, counters = self.number(path, "memory.current"), self.counters(path, "memory.stat")
        swap = self.number(path, "memory.swap.current") if with_swap else 0
        return None if current is None or counters is None else usage_bytes(current, swap or 0, counters)

    def current(self, path: str) -> int | None:
        """All that is charged to the memcg, in bytes; None if it is gone."""
        return self.number(path, "memory.current")

    def is_populated(self, path: str) -> bool | None:
        """Whether a live process is in it or below; None if it is gone."""
        counters = self.counters(path, "cgroup.events")
        return None if counters is None else bool(counters.get("populated"))

    def processes(self, path: str) -> list[int]:
        """The processes in the memcg and all below it; exiting ones are not listed by the kernel.

        A tenant may nest thousands of memcgs in his container: we look into the first, `cgroup.kill` reaches all.
        """
        pids, todo = [], [path]
        for memcg in todo:  # it grows while we walk it
            found = self.read(memcg, "cgroup.procs")
            pids += [int(line) for line in found.split()] if found else []
            if len(todo) < MOST_NESTED:
                todo += [f"{memcg}/{name}" for name, _ in self._children(memcg)]
        return pids

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
        return read_kernel(f"{self.root}{path.rstrip('/')}/{name}")

    def signature(self, places: list[Place]) -> object:
        """Changes when a pod or container comes or goes; `places` is the last tree. Cheap enough for every second."""
        pods = [self._children(place.path) for place in places if place.kind in {Kind.TOP, Kind.QOS}]
        containers = [self._links(place.path) for place in places if place.kind is Kind.POD]
        return self._links("/"), pods, containers

    def _links(self, path: str) -> int:
        """How many memcgs are directly below, plus two."""
        try:
            return os.stat(self.root + path).st_nlink  # noqa: PTH116 - pathlib is not worth its memory in the guard
        except OSError:
            return 0

    def _walk(self, path: str, parent: Place | None) -> Iterator[Place]:
        for name, cgroup_id in self._children(path):
            child = classify(f"{path}/{name}", cgroup_id, parent)
            if parent is None and not path and is_way_to_pods(name):
                yield from self._walk(child.path, None)
                continue
            yield child
            if child.kind in {Kind.TOP, Kind.QOS, Kind.POD}:
                yield from self._walk(child.path, child)

    def _children(self, path: str) -> list[tuple[str, int]]:
        """Names and ids of the memcgs directly below."""
        try:
            with os.scandir(self.root + path) as entries:
                return [(entry.name, entry.inode()) for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError:
            return []


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
