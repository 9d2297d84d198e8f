"""The tree of memcgs under a domain, weighed from the leaves up, in which every interior memcg knows its champion.

One pass down hands priorities to those that inherit, one pass up weighs. Taking a victim out changes nothing but the
way from it up to the domain, so that the whole order costs little more than the first victim. Nothing here recurses:
how deep a tree is was up to whoever made it.
"""

from bisect import insort
from collections.abc import Callable
from operator import attrgetter
from typing import Final

from oompolicy_agent.model import Key, Memcg, Snapshot, TieBreak

__all__ = ["Node", "Tree"]

_VALUES: Final[dict[TieBreak, Callable[[Memcg], int]]] = {
    TieBreak.LARGEST_USAGE: lambda memcg: memcg.usage_bytes,
    TieBreak.MOST_OVER_REQUEST: lambda memcg: memcg.usage_bytes - memcg.request_bytes,
    TieBreak.NEWEST: lambda memcg: memcg.id,
}

_by_key = attrgetter("key")


class Node:
    """A memcg in its place."""

    __slots__ = (
        "children",  # by name
        "contenders",  # the eligible children
        "holds_killable",  # it or something in it
        "holds_protected",  # it or something in it
        "holds_unkillable",  # it or something in it
        "is_sorted",  # whether `contenders` is, next to die first
        "key",  # None: not eligible
        "memcg",  # None for an ancestor that the snapshot does not list
        "name",  # of the domain: its whole path
        "parent",  # None: the domain
        "priority",  # the explicit one, else the inherited one
        "total",  # the sum of the values of the eligible units in it
    )

    def __init__(self, name: str, parent: "Node | None") -> None:
        self.name = name
        self.parent = parent
        self.memcg: Memcg | None = None
        self.children: dict[str, Node] = {}
        self.contenders: list[Node] = []
        self.is_sorted = False
        self.key: Key | None = None
        self.priority = self.total = 0
        self.holds_killable = self.holds_protected = self.holds_unkillable = False

    @property
    def candidate(self) -> Memcg | None:
        """The memcg if it is compared as one: a leaf or a unit. The root never is, or one kill would empty the host."""
        memcg = self.memcg
        return memcg if memcg and (memcg.unit or not self.children) and memcg.path != "/" else None

    @property
    def protected(self) -> bool:
        """Whether it is protected itself; at the domain that does not count."""
        return self.memcg is not None and self.memcg.protected and self.parent is not None

    def represented(self) -> "Node":
        """Whose key it is compared by: the champion's below an interior memcg without a priority, else its own."""
        node = self
        while not node.candidate and (node.memcg is None or node.memcg.priority is None):
            node = node.ranked()[0]
        return node

    def ranked(self) -> "list[Node]":
        """The eligible children, next to die first."""
        if not self.is_sorted:
            self.contenders.sort(key=_by_key)
            self.is_sorted = True
        return self.contenders

    def path(self) -> str:
        """The path from the cgroup root."""
        names, node = [], self
        while node.parent:
            names.append(node.name)
            node = node.parent
        return "/".join([node.name.rstrip("/"), *reversed(names)]) or "/"


class Tree:
    """What is under the domain of a snapshot, weighed."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.domain = Node(snapshot.domain, None)
        self._value = _VALUES[snapshot.tie_break]
        self._is_newest = snapshot.tie_break is TieBreak.NEWEST
        self._plant(snapshot)
        for node in reversed(self._inherit()):
            self._weigh(node)
            _tell_parent(node)

    def take_out(self, victim: Node) -> None:
        """Make `victim` no longer eligible and weigh its ancestors again.

        It must be the one to die first: the first of `ranked()` in every layer above it.
        """
        gone, node = victim.total, victim
        victim.key = None
        while node.parent:
            parent = node.parent
            del parent.contenders[0]
            if node.key:
                insort(parent.contenders, node, key=_by_key)
            parent.total -= gone
            parent.key = self._interior_key(parent)
            node = parent

    def _plant(self, snapshot: Snapshot) -> None:
        """Put every memcg at or below the domain in its place; from those above take the nearest priority."""
        below = snapshot.domain.rstrip("/") + "/"
        nearest = ""
        self.domain.priority = snapshot.default_priority
        for memcg in snapshot.cgroups:
            if memcg.path == snapshot.domain:
                self.domain.memcg = memcg
            elif memcg.path.startswith(below):
                _place(self.domain, memcg.path[len(below) :]).memcg = memcg
            elif memcg.priority is not None and below.startswith(memcg.path.rstrip("/") + "/") and memcg.path > nearest:
                nearest, self.domain.priority = memcg.path, memcg.priority

    def _inherit(self) -> list[Node]:
        """Give every node its priority. Returns all of them, parents before children."""
        nodes = [self.domain]
        for node in nodes:  # it grows while we walk it
            if node.memcg and node.memcg.priority is not None:
                node.priority = node.memcg.priority
            for child in node.children.values():
                child.priority = node.priority
            nodes.extend(node.children.values())
        return nodes

    def _weigh(self, node: Node) -> None:
        """Decide whether `node` is eligible and by what it is compared, once all its children are weighed."""
        node.holds_protected |= node.protected
        if memcg := node.candidate:
            node.holds_killable = memcg.killable and (node.holds_killable or not node.children)
            node.holds_unkillable |= not memcg.killable
            if node.holds_killable and not node.holds_protected:
                node.total = self._value(memcg)
                node.key = Key(not memcg.known, node.priority, -node.total, -memcg.id)
        elif not node.protected:
            node.key = self._interior_key(node)

    def _interior_key(self, node: Node) -> Key | None:
        """With a priority an interior memcg stands for all that is eligible in it, else its champion does."""
        if not node.contenders:
            return None
        first = node.contenders[0] if node.is_sorted else min(node.contenders, key=_by_key)
        if first.key is None or node.memcg is None or node.memcg.priority is None:
            return first.key
        value = node.memcg.id if self._is_newest else node.total
        return Key(first.key.unknown, node.priority, -value, -node.memcg.id)


def _place(node: Node, path: str) -> Node:
    """The node at `path` below `node`, made with its ancestors where they are missing."""
    for name in path.split("/"):
        child = node.children.get(name)
        if child is None:
            child = node.children[name] = Node(name, node)
        node = child
    return node


def _tell_parent(node: Node) -> None:
    """Add to the parent what it must know of this child."""
    parent = node.parent
    if parent is None:
        return
    parent.holds_protected |= node.holds_protected
    parent.holds_killable |= node.holds_killable
    parent.holds_unkillable |= node.holds_unkillable
    if node.key:
        parent.contenders.append(node)
        parent.total += node.total
