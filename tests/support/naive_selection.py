"""The selection rule a second time, written straight from its definition: slow, recursive, with nothing remembered.

It shares no code with the real one and asks every question anew in every round, so that the two can be held against
each other on any tree that is small enough.
"""

from typing import Any

from oompolicy_agent.model import Memcg, Snapshot, TieBreak

__all__ = ["naive_order"]


def naive_order(snapshot: Snapshot) -> list[dict[str, Any]]:
    """The whole order with its layers, in the shape of the `rank` command's JSON."""
    order: list[dict[str, Any]] = []
    dead: frozenset[str] = frozenset()
    while (tree := _Naive(snapshot, dead)).eligible(snapshot.domain):
        order.append(tree.victim())
        dead |= {order[-1]["path"]}
    return order


class _Naive:
    def __init__(self, snapshot: Snapshot, dead: frozenset[str]) -> None:
        self.snapshot = snapshot
        self.dead = dead
        self.listed = {memcg.path: memcg for memcg in snapshot.cgroups}

    def victim(self) -> dict[str, Any]:
        path, layers = self.snapshot.domain, []
        while not self.is_leaf_or_unit(path):
            rivals = sorted((child for child in self.children(path) if self.eligible(child)), key=self.key)
            layers.append(
                {
                    "parent": path,
                    "chosen": rivals[0],
                    "spared": rivals[1:],
                    "decidedBy": self.difference(rivals[0], rivals[1]) if rivals[1:] else "OnlyChild",
                }
            )
            path = rivals[0]
        return {"path": path, "layers": layers}

    def difference(self, one: str, other: str) -> str:
        names = ("Known", "Priority", "TieBreak", "Id")
        return next(
            name for name, mine, theirs in zip(names, self.key(one), self.key(other), strict=True) if mine != theirs
        )

    def memcg(self, path: str) -> Memcg:
        """An ancestor that is not listed has no priority and no flags."""
        return self.listed.get(path, Memcg(path, 0))

    def below(self, path: str) -> list[str]:
        return [other for other in self.listed if other != path and other.startswith(path.rstrip("/") + "/")]

    def children(self, path: str) -> set[str]:
        stem = path.rstrip("/") + "/"
        return {stem + other.removeprefix(stem).split("/")[0] for other in self.below(path)}

    def is_leaf_or_unit(self, path: str) -> bool:
        return path != "/" and (self.memcg(path).unit or not self.below(path))

    def eligible(self, path: str) -> bool:
        if path in self.dead or (self.memcg(path).protected and path != self.snapshot.domain):
            return False
        if not self.is_leaf_or_unit(path):
            return any(self.eligible(child) for child in self.children(path))
        return self.killable(path) and not any(self.memcg(part).protected for part in self.below(path))

    def killable(self, path: str) -> bool:
        if self.is_leaf_or_unit(path) and not self.memcg(path).killable:
            return False
        return not self.below(path) or any(self.killable(child) for child in self.children(path))

    def priority(self, path: str) -> int:
        own = self.memcg(path).priority
        if own is not None:
            return own
        return self.snapshot.default_priority if path == "/" else self.priority(path.rpartition("/")[0] or "/")

    def value(self, memcg: Memcg) -> int:
        match self.snapshot.tie_break:
            case TieBreak.LARGEST_USAGE:
                return memcg.usage_bytes
            case TieBreak.MOST_OVER_REQUEST:
                return memcg.usage_bytes - memcg.request_bytes
            case TieBreak.NEWEST:
                return memcg.id

    def units(self, path: str) -> list[Memcg]:
        """The eligible units in the subtree."""
        if not self.eligible(path):
            return []
        if self.is_leaf_or_unit(path):
            return [self.memcg(path)]
        return [unit for child in self.children(path) for unit in self.units(child)]

    def key(self, path: str) -> tuple[bool, int, int, int]:
        """The smaller dies first."""
        memcg = self.memcg(path)
        if self.is_leaf_or_unit(path):
            return (not memcg.known, self.priority(path), -self.value(memcg), -memcg.id)
        if memcg.priority is None:
            return min(self.key(child) for child in self.children(path) if self.eligible(child))
        units = self.units(path)
        newest = self.snapshot.tie_break is TieBreak.NEWEST
        value = memcg.id if newest else sum(self.value(unit) for unit in units)
        return (not any(unit.known for unit in units), memcg.priority, -value, -memcg.id)
