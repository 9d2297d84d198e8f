"""The memcg tree of a decision, as far as its record knows it: the layers, and the first of the order below them. Pure.

What a record holds of those who were spared is their names, and of the first few of the order also what they used.
"""

from dataclasses import dataclass, field

from oompolicy_api.decision import DecidedVictim, OOMDecisionSpec

__all__ = ["Node", "memcg_tree"]

DEEPEST = 64
"""Levels below the domain; the API knows as many layers."""


@dataclass(slots=True)
class Node:
    """One memcg, with those below it that the record names."""

    name: str
    path: str
    is_chosen: bool = False
    place: int | None = None
    """In the order, from 1; of what holds others the place of the first of them."""
    priority: int | None = None
    """Its own; of what holds others that of the first of them to die, by which it stands where it has none itself."""
    usage: int | None = None
    """In bytes; None: nobody wrote it down."""
    unnamed: int = 0
    """How many more were spared in it that the record does not name."""
    children: dict[str, "Node"] = field(default_factory=dict)


def memcg_tree(spec: OOMDecisionSpec) -> Node:
    """Its root is the domain, or that of all memcgs where somebody outside the domain is named."""
    domain = spec.domain if all(_is_in(spec.domain, path) for path in _paths(spec)) else "/"
    root = Node(domain, domain, is_chosen=True)
    if spec.victim:
        _mark(root, spec.victim.path)
    for layer in spec.layers:
        parent = _mark(root, layer.parent)
        for path in (layer.chosen, *layer.spared):
            _way(root, path)
        _mark(root, layer.chosen)
        parent.unnamed = max(0, (layer.spared_count or 0) - len(layer.spared))
    for place, victim in enumerate(spec.ranking, 1):
        _count(root, victim, place)
    return root


def _paths(spec: OOMDecisionSpec) -> list[str]:
    victims = [*spec.ranking, *([spec.victim] if spec.victim else [])]
    return [one.path for one in victims] + [
        path for one in spec.layers for path in (one.parent, one.chosen, *one.spared)
    ]


def _is_in(domain: str, path: str) -> bool:
    return f"{path}/".startswith(f"{domain.rstrip('/')}/")


def _way(root: Node, path: str) -> list[Node]:
    """The nodes from the domain down to a path, made where there are none yet."""
    below = path.removeprefix(root.path.rstrip("/"))
    nodes = [root]
    for name in [part for part in below.split("/") if part][:DEEPEST]:
        above = nodes[-1]
        nodes.append(above.children.setdefault(name, Node(name, f"{above.path.rstrip('/')}/{name}")))
    return nodes


def _mark(root: Node, path: str) -> Node:
    way = _way(root, path)
    for node in way:
        node.is_chosen = True
    return way[-1]


def _count(root: Node, victim: DecidedVictim, place: int) -> None:
    """Adds one of the order to all that hold it; the first that comes gives them place and priority."""
    for node in _way(root, victim.path):
        if node.place is None:
            node.place, node.priority = place, victim.priority
        if victim.usage_bytes is not None:
            node.usage = (node.usage or 0) + victim.usage_bytes
