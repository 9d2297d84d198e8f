"""Whether a rule is for a pod, and whether this version understands what the rule says."""

from collections.abc import Mapping

from oompolicy_agent.pods import Pod
from oompolicy_api.acting import Victim
from oompolicy_api.rules import Match, Rule
from oompolicy_api.selectors import LabelSelector

__all__ = ["CRITICAL", "PROTECTIONS", "QOS_CLASSES", "SOURCES", "UNITS", "matches", "misunderstood"]

CRITICAL = ("system-node-critical", "system-cluster-critical")
"""Kubernetes' own PriorityClasses for what a cluster cannot do without."""
PROTECTIONS = ("Always", "Request")
QOS_CLASSES = ("Guaranteed", "Burstable", "BestEffort")
SOURCES = ("PodPriority",)
UNITS = ("Container", "Pod", "Process")


def matches(match: Match, pod: Pod, namespace_labels: Mapping[str, str]) -> bool:
    """Whether all that `match` says holds; raises ValueError only if nothing that is understood rules the pod out."""
    answers = (
        _selects(match.namespace_selector, namespace_labels, "match.namespaceSelector"),
        _selects(match.pod_selector, pod.labels, "match.podSelector"),
        not match.priority_class_names or pod.priority_class in match.priority_class_names,
        _has_class(match.qos_classes, pod),
    )
    if False in answers:
        return False
    for answer in answers:
        if isinstance(answer, ValueError):
            raise answer
    return True


def misunderstood(rule: Rule, victim: Victim) -> str:
    """What in a rule is of a newer version, with what would have been understood; empty when nothing is."""
    members = {"priority": rule.priority, "priorityFrom": rule.priority_from, "protect": rule.protect}
    found = [name for name, value in members.items() if value is not None]
    if len(found) != 1:
        return f"expected exactly one of {', '.join(members)}, found {' and '.join(found) or 'none'}"
    if rule.priority_from and rule.priority_from.source not in SOURCES:
        return _unknown("priorityFrom.source", rule.priority_from.source, SOURCES)
    if rule.protect and rule.protect.up_to not in PROTECTIONS:
        return _unknown("protect.upTo", rule.protect.up_to, PROTECTIONS)
    unit = (rule.victim and rule.victim.unit) or victim.unit
    return _unknown("victim.unit", unit, UNITS) if unit and unit not in UNITS else ""


def _selects(selector: LabelSelector | None, labels: Mapping[str, str], where: str) -> bool | ValueError:
    try:
        return selector is None or selector.matches(labels)
    except ValueError as error:
        return ValueError(f"{where}.{error}")


def _has_class(wanted: tuple[str, ...], pod: Pod) -> bool | ValueError:
    if not wanted or pod.qos_class in wanted:
        return True
    unknown = next((name for name in wanted if name not in QOS_CLASSES), None)
    return ValueError(_unknown("match.qosClasses", unknown, QOS_CLASSES)) if unknown else False


def _unknown(field: str, found: str | None, known: tuple[str, ...]) -> str:
    return f"{field}: expected {' or '.join(known)}, found {found!r}"
