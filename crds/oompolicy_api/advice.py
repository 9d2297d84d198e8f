"""What in a policy is probably a mistake, although it is valid: rules that no pod can ever reach. Pure.

It says so only where it is certain. Two selectors that mean the same in other words are not compared.
"""

from collections.abc import Iterable, Iterator
from itertools import combinations

from oompolicy_api.policy import OOMPolicy
from oompolicy_api.rules import Match, Rule
from oompolicy_api.selectors import LabelSelector, LabelSelectorRequirement

__all__ = ["covers", "is_impossible", "unreachable"]


def unreachable(policy: OOMPolicy) -> list[str]:
    """One sentence for each rule that never decides anything."""
    found = []
    rules = policy.spec.rules
    for number, rule in enumerate(rules):
        if is_impossible(rule.match):
            found.append(f"Rule {rule.name} matches no pod: its selectors contradict themselves")
        elif (earlier := _covering(rules[:number], rule)) is not None:
            found.append(f"Rule {rule.name} never decides: rule {earlier.name} before it matches all that it matches")
    return found


def covers(wider: Match, narrower: Match) -> bool:
    """Whether certainly every pod that the one matches is matched by the other, too."""
    return (
        _selector_covers(wider.namespace_selector, narrower.namespace_selector)
        and _selector_covers(wider.pod_selector, narrower.pod_selector)
        and _names_cover(wider.priority_class_names, narrower.priority_class_names)
        and _names_cover(wider.qos_classes, narrower.qos_classes)
    )


def is_impossible(match: Match) -> bool:
    """Whether certainly no pod has such labels."""
    return any(_contradicts(selector) for selector in (match.namespace_selector, match.pod_selector) if selector)


def _covering(earlier: Iterable[Rule], rule: Rule) -> Rule | None:
    return next((one for one in earlier if covers(one.match, rule.match)), None)


def _names_cover(wider: tuple[str, ...], narrower: tuple[str, ...]) -> bool:
    """No names at all are any name."""
    return not wider or (bool(narrower) and set(narrower) <= set(wider))


def _selector_covers(wider: LabelSelector | None, narrower: LabelSelector | None) -> bool:
    """Whether the wider one asks for nothing that the narrower does not ask for as well."""
    asked = list(_requirements(narrower))
    return all(wish in asked for wish in _requirements(wider))


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
