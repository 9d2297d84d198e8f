"""The memcg tree of one decision as a picture: a row for each level, from the domain down to the victim. Pure.

An icicle made of nested lists, not of shapes: so it stays legible on any width, and who cannot see it hears a tree.
"""

from collections.abc import Mapping

from oompolicy_agent.cli.markup import names, text
from oompolicy_agent.cli.memcg_tree import Node, memcg_tree
from oompolicy_agent.explain import amount, place
from oompolicy_api.decision import OOMDecisionSpec

__all__ = ["icicle"]

UNKNOWN = "usage not recorded"


def icicle(spec: OOMDecisionSpec) -> str:
    """The picture with its legend; each box links to where the first of those in it stands in the order."""
    root = memcg_tree(spec)
    known = names([*spec.ranking, *([spec.victim] if spec.victim else [])])
    priorities = sorted({one.priority for one in spec.ranking if one.priority is not None})
    shares = {one: index / max(1, len(priorities) - 1) for index, one in enumerate(priorities)}
    drawn = _node(root, known | {root.name: place(root.path)}, shares)
    return f'<figure class="icicle"><ul>{drawn}</ul><figcaption>{_legend(root, priorities)}</figcaption></figure>'


def _node(node: Node, known: Mapping[str, str], shares: Mapping[int, float]) -> str:
    below = "".join(_node(child, known, shares) for child in _ordered(node)) + _unnamed(node)
    inside = f"<ul>{below}</ul>" if below else ""
    return f'<li class="{_kinds(node)}" style="{_style(node, shares)}">{_box(node, known)}{inside}</li>'


def _ordered(node: Node) -> list[Node]:
    """The one that was chosen first, then as they stand in the order, then those of whom only the name is known."""
    return sorted(node.children.values(), key=lambda child: (not child.is_chosen, child.place or 1 << 20))


def _kinds(node: Node) -> str:
    kinds = {"chosen": node.is_chosen, "unknown": node.usage is None, "plain": node.priority is None}
    return " ".join(kind for kind, holds in kinds.items() if holds)


def _style(node: Node, shares: Mapping[int, float]) -> str:
    """How wide, as a share of what is known of its siblings; and how far from the lowest priority to the highest."""
    colour = f";--share:{shares[node.priority]:.0%}" if node.priority is not None and node.priority in shares else ""
    return f"--usage:{max(1, (node.usage or 0) >> 10)}{colour}"


def _box(node: Node, known: Mapping[str, str]) -> str:
    whole = known.get(node.name, node.name)
    label = whole.rpartition("/")[2] if node.name in known else whole  # a narrow box has no room for namespaces
    facts = [UNKNOWN if node.usage is None else amount(node.usage)]
    if node.priority is not None:
        facts.append(f"{'from ' if node.children else ''}priority {node.priority}")
    tip = [*facts, *(["on the way to the victim"] if node.is_chosen else []), text(node.path)]
    target = f"#order-{node.place}" if node.place else "#tree"
    return (
        f'<a href="{target}"><span class="label" aria-hidden="true"><span class="name">{text(label)}</span>'
        f'<span class="more">{" · ".join(facts)}</span></span>'
        f'<span class="tip"><b>{text(whole)}</b>, {", ".join(tip)}</span></a>'
    )


def _unnamed(node: Node) -> str:
    if not node.unnamed:
        return ""
    says = f"{node.unnamed} more were spared that the record does not name"
    return (
        f'<li class="unknown unnamed" style="--usage:1"><a href="#tree"><span class="label" aria-hidden="true">'
        f'<span class="name">+{node.unnamed}</span></span><span class="tip">{says}</span></a></li>'
    )


def _legend(root: Node, priorities: list[int]) -> str:
    """What is to be seen, and only that."""
    lines = ["<li>Width: what is known to be used in it; the smallest are drawn wider than they are.</li>"]
    if len(priorities) > 1:
        lines += [f'<li><span class="scale"></span> priority {priorities[0]} (dies first) to {priorities[-1]}</li>']
    every = _every(root)
    swatches = {
        "chosen": ("the way to the victim", len(every) > 1 and any(node.is_chosen for node in every[1:])),
        "unknown": (UNKNOWN, any(node.usage is None or node.unnamed for node in every)),
        "plain": ("no priority, or protected", any(node.usage is not None and node.priority is None for node in every)),
    }
    lines += [
        f'<li><span class="swatch {kind}"></span> {says}</li>' for kind, (says, is_seen) in swatches.items() if is_seen
    ]
    return f'<ul class="legend">{"".join(lines)}</ul>'


def _every(node: Node) -> list[Node]:
    return [node, *(each for child in node.children.values() for each in _every(child))]
