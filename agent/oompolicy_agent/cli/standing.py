"""The order in which the pods of a node would die, as far as a policy alone says it. Pure.

Pods of the same priority are decided by what they use at that moment, so they share a place.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from oompolicy_agent.resolve import Target

__all__ = ["Change", "before", "changes", "difference", "name", "origin", "standing"]

NO_POLICY = "no policy"


@dataclass(frozen=True, slots=True)
class Change:
    """A pod for which a changed policy says something else."""

    pod: str
    node: str
    before: str
    after: str


def name(target: Target) -> str:
    """Of its pod, for people; and to tell pods apart of which a file may not say the uid."""
    return f"{target.pod.namespace}/{target.pod.name}"


def origin(target: Target) -> str:
    """What of a policy says so."""
    return f"rule {target.rule}" if target.rule else target.source.lower()


def standing(target: Target) -> str:
    """What a policy says of a pod, in one line."""
    what = f"priority {target.priority}" if target.protect is None else f"protected {_extent(target.protect)}"
    inside = "".join(f", {container} {priority} inside it" for container, priority in sorted(target.containers.items()))
    how = "" if target.unit == "Container" else f", dies by {target.unit.lower()}"
    return f"{what} by {origin(target)}{inside}{how}"


def before(target: Target, others: Iterable[Target]) -> tuple[list[Target], list[Target]]:
    """Who dies before it, first to die first, and who shares its place; both empty while it is protected."""
    if target.priority is None:
        return [], []
    known = [one for one in _in_order(others) if one.priority is not None and name(one) != name(target)]
    earlier = [one for one in known if one.priority is not None and one.priority < target.priority]
    return earlier, [one for one in known if one.priority == target.priority]


def changes(earlier: Mapping[str, Sequence[Target]], later: Mapping[str, Sequence[Target]]) -> list[Change]:
    """Pod by pod, what differs; both by node."""
    found = []
    for node in sorted({*earlier, *later}):
        old, new = (_said(side.get(node, ())) for side in (earlier, later))
        texts = {pod: (old.get(pod, NO_POLICY), new.get(pod, NO_POLICY)) for pod in sorted({*old, *new})}
        found += [Change(pod, node, *both) for pod, both in texts.items() if both[0] != both[1]]
    return found


def difference(node: str, earlier: Sequence[Target], later: Sequence[Target]) -> list[str]:
    """How the order on a node changes, as a unified diff of names; empty if it does not."""
    lines = difflib.unified_diff(_lines(earlier), _lines(later), f"{node}, now", f"{node}, changed", lineterm="", n=2)
    return list(lines)


def _said(targets: Iterable[Target]) -> dict[str, str]:
    return {name(one): standing(one) for one in targets}


def _lines(targets: Iterable[Target]) -> list[str]:
    """A line for each pod, first to die first. The priority is no part of it: only the order counts."""
    return [f"{name(one)} (protected)" if one.priority is None else name(one) for one in _in_order(targets)]


def _in_order(targets: Iterable[Target]) -> list[Target]:
    return sorted(targets, key=lambda one: (one.priority is None, one.priority or 0, name(one)))


def _extent(protect: str) -> str:
    return "always" if protect == "Always" else "up to its request"
