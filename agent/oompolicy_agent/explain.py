"""Why this one: the explanation of a decision, made from the very keys that decided it.

It names who was really compared: `besteffort/p1` where an interior memcg without a priority stood by its champion.
"""

from collections.abc import Callable
from typing import Final

from oompolicy_agent.model import Candidate, DecidedBy, Key, Layer, Standing, TieBreak

__all__ = ["amount", "called", "layer_by_layer", "place", "readable", "sentence", "why"]

_MOST_NAMED: Final = 4
"""How many of the spared are named before the rest is counted."""
_UNIT: Final = 1024
_UNCONTESTED: Final = "nothing else may be killed"


def sentence(candidate: Candidate, tie_break: TieBreak) -> str:
    """One sentence that a person can read aloud: a clause for each layer in which there was a choice."""
    contests = [_contest(layer, runner_up, tie_break) for layer, runner_up in _contested(candidate)]
    return f"{_opening(candidate)}: {'; '.join(contests) or _UNCONTESTED}."


def why(candidate: Candidate, tie_break: TieBreak) -> str:
    """The same for a narrow place, without saying who is next to die."""
    contests = [
        f"{readable(layer.parent)}: before {_name(runner_up, layer)}, {_reason(layer, runner_up, tie_break)}"
        for layer, runner_up in _contested(candidate)
    ]
    return "; ".join(contests) or _UNCONTESTED


def layer_by_layer(candidate: Candidate, tie_break: TieBreak) -> str:
    """The same over several lines: a line for each layer, also the uncontested ones."""
    return "\n".join([_opening(candidate), *("  " + _line(layer, tie_break) for layer in candidate.layers)])


def amount(count: int) -> str:
    """Bytes as a person reads them, with sign: `900.0 MiB`."""
    size, scaled = abs(count), float(abs(count))
    for unit in ("B", "KiB", "MiB", "GiB"):
        if scaled < _UNIT:
            return f"{count} B" if size < _UNIT else f"{'-' * (count < 0)}{scaled:.1f} {unit}"
        scaled /= _UNIT
    return f"{'-' * (count < 0)}{scaled:.1f} TiB"


def called(path: str, namespace: str | None, pod: str | None, container: str | None) -> str:
    """Whose a memcg is, for people: namespace/pod/container as far as that is known, else its path."""
    return "/".join(part for part in (namespace, pod, container) if part) or path


def place(domain: str) -> str:
    """What ran out of memory, as a person calls it."""
    return "the node" if domain == "/" else readable(domain)


def readable(text: str) -> str:
    """`text` on one line, with escapes for what no terminal should be sent: a tenant may choose a cgroup's name."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _opening(candidate: Candidate) -> str:
    domain = candidate.layers[0].parent if candidate.layers else candidate.path
    return f"{readable(candidate.path)} is next to die when {place(domain)} runs out of memory"


def _line(layer: Layer, tie_break: TieBreak) -> str:
    if layer.runner_up is None:
        return f"{_where(layer.parent)} only {_below(layer.chosen.path, layer)} may be killed"
    named = ", ".join(readable(path) for path in layer.spared[:_MOST_NAMED])
    more = len(layer.spared) - _MOST_NAMED
    rest = f" and {more} more" if more > 0 else ""
    return f"{_contest(layer, layer.runner_up, tie_break)}; spared: {named}{rest}"


def _contested(candidate: Candidate) -> list[tuple[Layer, Standing]]:
    return [(layer, layer.runner_up) for layer in candidate.layers if layer.runner_up]


def _contest(layer: Layer, runner_up: Standing, tie_break: TieBreak) -> str:
    names = f"{_name(layer.chosen, layer)} goes before {_name(runner_up, layer)}"
    return f"{_where(layer.parent)} {names}, because {_reason(layer, runner_up, tie_break)}"


def _reason(layer: Layer, runner_up: Standing, tie_break: TieBreak) -> str:
    return _REASONS[layer.decided_by](layer.chosen.key, runner_up.key, tie_break)


def _where(path: str) -> str:
    return "on the node" if path == "/" else f"in {readable(path)}"


def _name(standing: Standing, layer: Layer) -> str:
    return _below(standing.represented_by, layer)


def _below(path: str, layer: Layer) -> str:
    return readable(path.removeprefix(layer.parent).removeprefix("/"))


def _by_known(_chosen: Key, _other: Key, _tie_break: TieBreak) -> str:
    return "the other was created a moment ago and its priority is not known yet"


def _by_priority(chosen: Key, other: Key, _tie_break: TieBreak) -> str:
    return f"priority {chosen.priority} is lower than {other.priority}"


def _by_tie_break(chosen: Key, other: Key, tie_break: TieBreak) -> str:
    equal = f"at equal priority {chosen.priority} "
    if tie_break is TieBreak.NEWEST:
        return f"{equal}it is the younger: cgroup id {-chosen.minus_value} against {-other.minus_value}"
    mine, theirs = _amounts(-chosen.minus_value, -other.minus_value)
    what = "it uses" if tie_break is TieBreak.LARGEST_USAGE else "its usage minus request is"
    return f"{equal}{what} {mine} against {theirs}"


def _by_id(chosen: Key, other: Key, _tie_break: TieBreak) -> str:
    return f"with all else equal cgroup id {-chosen.minus_id} is higher than {-other.minus_id}"


def _amounts(mine: int, other: int) -> tuple[str, str]:
    """Both as a person reads them; to the byte where rounding would hide that they differ."""
    rounded = amount(mine), amount(other)
    return rounded if rounded[0] != rounded[1] else (f"{mine} B", f"{other} B")


_REASONS: Final[dict[DecidedBy, Callable[[Key, Key, TieBreak], str]]] = {
    DecidedBy.KNOWN: _by_known,
    DecidedBy.PRIORITY: _by_priority,
    DecidedBy.TIE_BREAK: _by_tie_break,
    DecidedBy.ID: _by_id,
}
