"""What in a policy is probably a mistake, although it is valid: rules that no pod can ever reach. Pure.

It says so only where it is certain. Two selectors that mean the same in other words are not compared.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from oompolicy_api.policy import OOMPolicy
from oompolicy_api.rules import Match
from oompolicy_api.selectors import LabelSelector, LabelSelectorRequirement

__all__ = ["covers", "is_impossible", "unreachable"]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a match asks for, made once: each rule is compared with all before it, and there may be 128."""

    of_namespace: frozenset[LabelSelectorRequirement]
    of_pod: frozenset[LabelSelectorRequirement]
    classes: frozenset[str]
    qos: frozenset[str]

    @classmethod
    def by(cls, match: Match) -> "_Asked":
        selectors = (match.namespace_selector, match.pod_selector)
        namespace, pod = (frozenset(_requirements(selector)) for selector in selectors)
        return cls(namespace, pod, frozenset(match.priority_class_names), frozenset(match.qos_classes))

    def covers(self, narrower: "_Asked") -> bool:
        """Whether it asks for nothing that the narrower one does not ask for as well."""
        return (
            self.of_namespace <= narrower.of_namespace
            and self.of_pod <= narrower.of_pod
            and _names_cover(self.classes, narrower.classes)
            and _names_cover(self.qos, narrower.qos)
        )


def unreachable(policy: OOMPolicy) -> list[str]:
    """One sentence for each rule that never decides anything."""
    found = []
    earlier: list[tuple[str, _Asked]] = []
    for rule in policy.spec.rules:
        asked = _Asked.by(rule.match)
        first = next((name for name, wider in earlier if wider.covers(asked)), None)
        if is_impossible(rule.match):
            found.append(f"Rule {rule.name} matches no pod: its selectors contradict themselves")
        elif first is not None:
            found.append(f"Rule {rule.name} never decides: rule {first} before it matches all that it matches")
        earlier.append((rule.name, asked))
    return found


def covers(wider: Match, narrower: Match) -> bool:
    """Whether certainly every pod that the one matches is matched by the other, too."""
    return _Asked.by(wider).covers(_Asked.by(narrower))


def is_impossible(match: Match) -> bool:
    """Whether certainly no pod has such labels."""
    return any(_contradicts(selector) for selector in (match.namespace_selector, match.pod_selector) if selector)


def _names_cover(wider: frozenset[str], narrower: frozenset[str]) -> bool:
    """No names at all are any name."""
    return not wider or (bool(narrower) and narrower <= wider)


def _contradicts(selector: LabelSelector) -> bool:
    requirements = list(_requirements(selector))
    return any(one.key == other.key and _exclude(one, other) for one, other in combinations(requirements, 2))


def _exclude(one: LabelSelectorRequirement, other: LabelSelectorRequirement) -> bool:
    """Whether no value, and no absence, of the label meets both."""
    candidates: list[str | None] = [None, _unmentioned(one, other), *one.values, *other.values]
    labels = [{} if value is None else {one.key: value} for value in candidates]
    try:
        return not any(one.matches(each) and other.matches(each) for each in labels)
    except ValueError:  # an operator of a newer version
        return False


def _unmentioned(*requirements: LabelSelectorRequirement) -> str:
    """A value that none of them names."""
    return "".join(value for requirement in requirements for value in requirement.values) + "-"


def _requirements(selector: LabelSelector | None) -> Iterator[LabelSelectorRequirement]:
    """`matchLabels` as expressions, with the others."""
    if selector is None:
        return
    for key, value in selector.match_labels.items():
        yield LabelSelectorRequirement(key=key, operator="In", values=(value,))
    yield from selector.match_expressions
