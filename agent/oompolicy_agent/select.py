"""Who dies first when memory runs out: the sibling tournament, from the domain down to one killable unit.

This is the specification of the rule; every other implementation must agree with it on every tree. At each layer the
eligible siblings are compared by their keys, the smallest key is chosen, and all the others' subtrees are spared. The
order is defined by repetition: the second is the victim of the tree in which the first is no longer eligible.

The key: known before unknown, then the lower priority, then the larger value of the tie-break, then the higher id.

- A leaf or unit has its own priority, else that of the nearest ancestor with one (also above the domain), else the
  default. A unit is compared as a leaf; nothing below it is ever compared.
- An interior memcg with a priority stands with that priority, its own id, and as value the sum over the eligible units
  in it; one without stands with the whole key of the child that would die first.

Where the rule could be read in two ways:

- Usage, request, `killable` and `known` are read from leaves and units. On any other interior memcg they say nothing.
- An interior memcg with a priority is unknown while all that is eligible in it is unknown: so known always dies first.
- `Newest` compares ages, which do not add up: an interior memcg with a priority has the value of its own id.
- A unit is eligible if it is killable itself, one of the leaves in it is (a nested unit that is not killable has none),
  and nothing in it is protected. A unit with a protected part is therefore safe as a whole.
- A unit that is the domain dies as one. A unit above the domain does not count, nor does protection at or above it:
  nothing outside the domain can be chosen. The priority of the domain counts for those who inherit it.
- The root memcg is never a unit, not even as the only one.
- Spared are the eligible siblings only: who could not die was spared by nobody. No such sibling: `OnlyChild`.
"""

from collections.abc import Iterator
from typing import Final

from oompolicy_agent.model import Candidate, DecidedBy, Key, Layer, Ranking, Snapshot, Standing
from oompolicy_agent.tree import Node, Tree

__all__ = ["champion", "select", "victims"]

_COMPONENTS: Final = (DecidedBy.KNOWN, DecidedBy.PRIORITY, DecidedBy.TIE_BREAK, DecidedBy.ID)


def select(snapshot: Snapshot) -> Ranking:
    """The whole order of `snapshot`, first to die first. Empty: nothing may be killed.

    Its size is quadratic where many siblings are, because every layer names all whom it spared; `victims` gives the
    same one by one.
    """
    return Ranking(tuple(victims(snapshot)))


def champion(snapshot: Snapshot) -> Candidate | None:
    """Who dies first, or None when nothing may be killed."""
    return next(victims(snapshot), None)


def victims(snapshot: Snapshot) -> Iterator[Candidate]:
    """The candidates of `snapshot`, first to die first, each found when it is asked for."""
    tree = Tree(snapshot)
    while tree.domain.key:
        node, layers = tree.domain, []
        while (memcg := node.candidate) is None:
            layers.append(_layer(node))
            node = node.ranked()[0]
        yield Candidate(memcg, _key_of(node), tuple(layers), _dies(node))
        tree.take_out(node)


def _layer(parent: Node) -> Layer:
    chosen, *spared = parent.ranked()
    path = parent.path()
    below = path.rstrip("/") + "/"
    winner, runner_up = _standing(chosen), _standing(spared[0]) if spared else None
    return Layer(path, winner, tuple([below + node.name for node in spared]), runner_up, _decided_by(winner, runner_up))


def _standing(node: Node) -> Standing:
    return Standing(node.path(), node.represented().path(), _key_of(node))


def _decided_by(chosen: Standing, runner_up: Standing | None) -> DecidedBy:
    """The first part in which the two keys differ."""
    if runner_up is None:
        return DecidedBy.ONLY_CHILD
    pairs = zip(_COMPONENTS, chosen.key, runner_up.key, strict=True)
    return next((component for component, mine, other in pairs if mine != other), DecidedBy.ID)


def _key_of(node: Node) -> Key:
    if node.key is None:
        raise ValueError(f"expected an eligible memcg, found {node.path()}: a bug in the weighing of the tree")
    return node.key


def _dies(unit: Node) -> tuple[str, ...]:
    """The topmost memcgs in `unit`, or itself, that hold nothing unkillable."""
    todo, found = [unit], []
    while todo:
        part = todo.pop()
        if not part.holds_unkillable:
            found.append(part.path())
        elif not (part.candidate and not part.candidate.killable):
            todo.extend(part.children.values())
    return tuple(sorted(found))
