"""Lists the memcgs that a choice can be about. What has not changed since the last listing is not read again.

    kubepods         down to the containers: those die as one, whatever a tenant nests in them
    the host         each child of the root, as one; but the way to a target with all beside it, and what is below it

An inner memcg of the host is told from a leaf by having children with a memory controller: systemd gives its services
child cgroups without one, and then the processes of all of them are charged to the service.
"""

from collections.abc import Collection, Iterator

from oompolicy_agent.guard.hosts import holds_vital
from oompolicy_agent.guard.layout import Kind, Place, classify, is_way_to_pods
from oompolicy_agent.guard.memcgs import CgroupFS
from oompolicy_agent.guard.tree_watch import TreeWatch

__all__ = ["MOST_DEEP", "MOST_IN_TARGETS", "Listing"]

MOST_IN_TARGETS = 4096
"""Memcgs below targets of the host. Beyond, the deepest that is listed counts as a leaf and dies whole."""
MOST_DEEP = 32
"""Levels below the root, as above."""
GOES_ON = (Kind.TOP, Kind.QOS, Kind.POD)
Children = list[tuple[str, int]]


class Listing:
    """Keeps what it has read by path, and has the kernel say when that becomes wrong."""

    def __init__(self, cgroups: CgroupFS, proc: str, watch: TreeWatch) -> None:
        self._cgroups = cgroups
        self._proc = proc
        self._watch = watch
        self._targets: Collection[str] = ()
        self._ways: frozenset[str] = frozenset()
        self._children: dict[str, tuple[int, Children]] = {}
        self._known: dict[str, tuple[int, Children]] = {}
        self._places: dict[str, Place] = {}
        self._room = 0

    def forget(self, paths: Collection[str] | None = None) -> None:
        """Has these directories read again by the next listing; None: everything, the files of memcgs too."""
        if paths is None:
            self._known.clear()
            self._places.clear()
        else:
            for path in paths:
                self._known.pop(path, None)

    def tree(self, targets: Collection[str]) -> list[Place]:
        """Every memcg that a choice can be about, parents before children; `targets`: paths outside kubepods."""
        if targets != self._targets:
            self._targets, self._ways = targets, frozenset(_above(targets))
            self._places.clear()
        self._children, self._room = {}, MOST_IN_TARGETS
        found = list(self._walk("", 0, None))
        self._known = self._children
        self._places = {place.path: place for place in found}
        self._watch.keep({self._cgroups.root + path: None for path in self._known})
        return found

    def _walk(self, path: str, cgroup_id: int, parent: Place | None) -> Iterator[Place]:
        """Everything below the memcg at `path`."""
        for name, child_id in self._below(path, cgroup_id):
            child = f"{path}/{name}"
            if parent is None and not path and is_way_to_pods(name):
                yield from self._walk(child, child_id, None)
                continue
            place = self._place(child, child_id, parent)
            self._room -= bool(place.target)
            yield place
            if place.kind in GOES_ON or place.kind is Kind.BRANCH:
                yield from self._walk(child, child_id, place)

    def _place(self, path: str, cgroup_id: int, parent: Place | None) -> Place:
        known, below = self._places.get(path), self._known.get(path)
        if known and known.id == cgroup_id and (below or not (known.target or path in self._ways)):
            if below:  # else its watch would end
                self._children[path] = below
            return known
        place = classify(path, cgroup_id, parent)
        if place.kind in GOES_ON:
            return Place(path, cgroup_id, place.kind, place.pod_uid, is_group=self._is_group(path))
        if place.kind is Kind.HOST and (parent is None or parent.kind is Kind.BRANCH):
            return self._of_host(place, parent.target if parent else "")
        return place

    def _of_host(self, place: Place, above: str) -> Place:
        """`above`: the nearest target above it."""
        path = place.path
        target = path if path in self._targets else above
        has_room = self._room > 0 and path.count("/") < MOST_DEEP
        if (path in self._ways or (target and has_room)) and self._has_memcgs_below(path, place.id):
            return Place(path, place.id, Kind.BRANCH, target=target, is_group=self._is_group(path))
        if not target:
            return place
        is_vital = holds_vital(self._proc, self._cgroups.processes(path))
        return Place(path, place.id, Kind.HOST, target=target, is_vital=is_vital)

    def _is_group(self, path: str) -> bool:
        return self._cgroups.number(path, "memory.oom.group") == 1

    def _has_memcgs_below(self, path: str, cgroup_id: int) -> bool:
        below = self._below(path, cgroup_id)
        return any(self._cgroups.exists(f"{path}/{name}", "memory.current") for name, _ in below)

    def _below(self, path: str, cgroup_id: int) -> Children:
        """The cgroups directly below, from now on watched."""
        known = self._children.get(path) or self._known.get(path)
        if known is None or known[0] != cgroup_id:
            self._watch.watch(self._cgroups.root + path, cgroup_id)
            known = cgroup_id, self._cgroups.children(path)
        self._children[path] = known
        return known[1]


def _above(paths: Collection[str]) -> Iterator[str]:
    """All that these paths lead through."""
    for path in paths:
        parent = path.rpartition("/")[0]
        while parent:
            yield parent
            parent = parent.rpartition("/")[0]
