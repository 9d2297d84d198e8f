"""The memcg tree of one decision as a picture: a row for each layer, from the domain down to the victim. Pure.

What a decision records of those who were spared is their names, and of the first few of the order also what they used.
So a box is as wide as what is known to be in it; where nothing is known it is narrow and hatched.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from oompolicy_agent.explain import amount
from oompolicy_api.decision import DecidedVictim, Layer, OOMDecisionSpec

__all__ = ["icicle"]

WIDTH, ROW, BOX = 1000.0, 64.0, 40.0
NARROWEST = 0.04
"""Of the row: still wide enough to be hit by a pointer."""
LONGEST_LABEL_PER_UNIT = 0.12
"""Characters that fit into one unit of width."""
SHORTEST_LABEL = 4
NO_COLOUR = "#b8bcc2"
"""Of what has no priority of its own, or is protected."""
LOW, HIGH = (244, 143, 120), (120, 180, 230)
"""Colours of the lowest and of the highest priority: they differ in lightness, too, for who does not see red."""


@dataclass(frozen=True, slots=True)
class Box:
    """One memcg in one row."""

    path: str
    is_chosen: bool
    usage: int
    priority: int | None
    start: float = 0.0
    width: float = 0.0


def icicle(spec: OOMDecisionSpec) -> str:
    """An SVG element; each box links to the order below if somebody in it stands there."""
    rows = [_row(layer, spec.ranking) for layer in spec.layers]
    priorities = [victim.priority for victim in spec.ranking if victim.priority is not None]
    bounds = (min(priorities), max(priorities)) if priorities else (0, 0)
    numbered = enumerate(zip(spec.layers, rows, strict=True))
    drawn = "".join(_drawn_row(number, layer, row, bounds) for number, (layer, row) in numbered)
    height = ROW * len(rows) + 8
    return (
        f'<svg viewBox="0 0 {WIDTH:g} {height:g}" role="img" aria-label="Layers from the domain down to the victim">'
        '<defs><pattern id="unknown" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<rect width="8" height="8" fill="#e3e5e8"/>'
        '<line x1="0" y1="0" x2="0" y2="8" stroke="#b8bcc2" stroke-width="3"/>'
        f"</pattern></defs>{drawn}{_way(rows)}</svg>"
    )


def _row(layer: Layer, ranking: Sequence[DecidedVictim]) -> list[Box]:
    """The chosen one first, then whom it spared, as wide as what is known of them."""
    boxes = [_box(path, ranking, is_chosen=path == layer.chosen) for path in (layer.chosen, *layer.spared)]
    total = sum(box.usage for box in boxes) or 1
    shares = [max(NARROWEST, box.usage / total) for box in boxes]
    scale, start, placed = WIDTH / sum(shares), 0.0, []
    for box, share in zip(boxes, shares, strict=True):
        width = share * scale
        placed.append(Box(box.path, box.is_chosen, box.usage, box.priority, start, width))
        start += width
    return placed


def _box(path: str, ranking: Sequence[DecidedVictim], *, is_chosen: bool) -> Box:
    inside = [one for one in ranking if one.path == path or one.path.startswith(f"{path}/")]
    priorities = [one.priority for one in inside if one.priority is not None]
    return Box(path, is_chosen, sum(one.usage_bytes or 0 for one in inside), min(priorities, default=None))


def _drawn_row(number: int, layer: Layer, row: Sequence[Box], bounds: tuple[int, int]) -> str:
    top = number * ROW + 18
    more = (layer.spared_count or len(layer.spared)) - len(layer.spared)
    rest = f", and {more} more that are not named here" if more > 0 else ""
    label = f"in {layer.parent}, decided by {layer.decided_by}{rest}"
    boxes = "".join(_drawn(box, top, bounds) for box in row)
    return f'<text class="label" x="0" y="{top - 5:g}">{escape(label)}</text>{boxes}'


def _drawn(box: Box, top: float, bounds: tuple[int, int]) -> str:
    name = box.path.rpartition("/")[2] or "/"
    says = f"{box.path}: " + (f"{amount(box.usage)} in the first of the order" if box.usage else "usage not recorded")
    room = int(box.width * LONGEST_LABEL_PER_UNIT)
    text = name if len(name) <= room else f"{name[: room - 1]}…" if room >= SHORTEST_LABEL else ""
    kind = "chosen" if box.is_chosen else "" if box.usage else "unknown"
    fill = f' fill="{_colour(box.priority, bounds)}"' if box.usage or box.is_chosen else ""
    return (
        f'<a href="#order" aria-label="{escape(says)}"><title>{escape(says)}</title>'
        f'<rect class="box {kind}" x="{box.start:.1f}" y="{top:g}" width="{box.width:.1f}" height="{BOX:g}"{fill}/>'
        f'<text x="{box.start + 6:.1f}" y="{top + 25:g}">{escape(text)}</text></a>'
    )


def _way(rows: Sequence[Sequence[Box]]) -> str:
    """From one chosen box to the next below."""
    chosen = [next(box for box in row if box.is_chosen) for row in rows]
    middles = [box.start + box.width / 2 for box in chosen]
    steps = [
        f'<path class="way" d="M{above:.1f} {number * ROW + 18 + BOX:g} L{below:.1f} {(number + 1) * ROW + 18:g}"/>'
        for number, (above, below) in enumerate(pairwise(middles))
    ]
    return "".join(steps)


def _colour(priority: int | None, bounds: tuple[int, int]) -> str:
    if priority is None:
        return NO_COLOUR
    low, high = bounds
    share = (priority - low) / (high - low) if high > low else 0.0
    return "#" + "".join(f"{round(start + (end - start) * share):02x}" for start, end in zip(LOW, HIGH, strict=True))
