"""Turns pods into targets: which priority or protection one policy gives to each pod, and by which rule.

The agent and `kubectl oompolicy resolve` share it, so that what a person is told is what a node does.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from oompolicy_agent.pods import Container, Pod
from oompolicy_api.policy import OOMPolicy, PriorityFrom, Protect, Rule
from oompolicy_api.selectors import LabelSelector

__all__ = ["NAMESPACE_NAME_LABEL", "Resolution", "Target", "resolve"]

NAMESPACE_NAME_LABEL = "kubernetes.io/metadata.name"
"""The API server puts it on every namespace; a tenant cannot change it."""

CRITICAL_CLASSES = ("system-node-critical", "system-cluster-critical")
UNIT = "Container"
PROTECTIONS = ("Always", "Request")


@dataclass(frozen=True, slots=True)
class Target:
    """What a node is told about one pod.

    Attributes:
        priority: int32, the lower dies first; None exactly when `protect` is set.
        protect: `Always`, or `Request`: as long as the pod stays within its memory request.
        unit: what dies as one.
        rule: the name of the rule that decided, None when none did.
        source: `Rule`, `Default` (no rule matched) or `Critical` (protected before any rule).
    """

    pod: Pod
    priority: int | None
    protect: str | None
    rule: str | None
    source: str
    unit: str = UNIT

    @property
    def containers(self) -> tuple[Container, ...]:
        """The pod's containers; none has a priority set apart from the pod's."""
        return self.pod.containers


@dataclass(frozen=True, slots=True)
class Resolution:
    """The targets of all pods that run, in their order, and one sentence for each thing that was not understood."""

    targets: tuple[Target, ...]
    problems: tuple[str, ...]


@dataclass(slots=True)
class _Reading:
    """A policy while it is read; problems are kept once each, in the order in which they were met."""

    policy: OOMPolicy
    problems: dict[str, None] = field(default_factory=dict)

    def fail_safe(self, pod: Pod, rule: Rule, problem: str) -> Target:
        """Protects what a rule that this version does not understand may have meant to protect."""
        text = f"Policy {self.policy.metadata.name}, rule {rule.name}: {problem}; protecting the pods it may mean"
        self.problems[text] = None
        return Target(pod, priority=None, protect="Always", rule=rule.name, source="Rule")


def resolve(policy: OOMPolicy, pods: Iterable[Pod], namespaces: Mapping[str, Mapping[str, str]]) -> Resolution:
    """The target of each pod that has not finished.

    Args:
        policy: the policy that acts.
        pods: in any order; the targets keep it.
        namespaces: the labels of each namespace; one that is missing has only the label with its name.
    """
    reading = _Reading(policy)
    targets = tuple(
        _target(reading, pod, namespaces.get(pod.namespace, {NAMESPACE_NAME_LABEL: pod.namespace}))
        for pod in pods
        if not pod.finished
    )
    return Resolution(targets, tuple(reading.problems))


def _target(reading: _Reading, pod: Pod, namespace_labels: Mapping[str, str]) -> Target:
    if _is_critical(reading.policy, pod):
        return Target(pod, priority=None, protect="Always", rule=None, source="Critical")
    for rule in reading.policy.spec.rules:
        try:
            if _matches(rule, pod, namespace_labels):
                return _by_rule(reading, rule, pod)
        except ValueError as error:
            return reading.fail_safe(pod, rule, str(error))
    default = reading.policy.spec.default_priority
    return Target(pod, priority=default, protect=None, rule=None, source="Default")


def _is_critical(policy: OOMPolicy, pod: Pod) -> bool:
    namespaces = policy.spec.protect_critical.namespaces
    if pod.static:
        return bool(namespaces)
    return pod.namespace in namespaces and pod.priority_class in CRITICAL_CLASSES


def _matches(rule: Rule, pod: Pod, namespace_labels: Mapping[str, str]) -> bool:
    """Whether all that `match` says holds; raises ValueError only if nothing that is understood rules the pod out."""
    answers = (
        _selects(rule.match.namespace_selector, namespace_labels, "match.namespaceSelector"),
        _selects(rule.match.pod_selector, pod.labels, "match.podSelector"),
    )
    if False in answers:
        return False
    for answer in answers:
        if isinstance(answer, ValueError):
            raise answer
    return True


def _selects(selector: LabelSelector | None, labels: Mapping[str, str], where: str) -> bool | ValueError:
    try:
        return selector is None or selector.matches(labels)
    except ValueError as error:
        return ValueError(f"{where}.{error}")


def _by_rule(reading: _Reading, rule: Rule, pod: Pod) -> Target:
    target = Target(pod, priority=None, protect=None, rule=rule.name, source="Rule")
    match rule:
        case Rule(priority=int(priority), priority_from=None, protect=None):
            return replace(target, priority=priority)
        case Rule(priority=None, priority_from=PriorityFrom(source="PodPriority") as bounds, protect=None):
            return replace(target, priority=max(bounds.minimum, min(bounds.maximum, pod.priority)))
        case Rule(priority=None, priority_from=None, protect=Protect(up_to=up_to)) if up_to in PROTECTIONS:
            return replace(target, protect=up_to)
    return reading.fail_safe(pod, rule, _misunderstood(rule))


def _misunderstood(rule: Rule) -> str:
    match rule:
        case Rule(priority=None, priority_from=PriorityFrom(source=source), protect=None):
            return f"priorityFrom.source: expected PodPriority, found {source!r}"
        case Rule(priority=None, priority_from=None, protect=Protect(up_to=up_to)):
            return f"protect.upTo: expected Always or Request, found {up_to!r}"
    found = [name for name in ("priority", "priority_from", "protect") if getattr(rule, name) is not None]
    return f"expected exactly one of priority, priorityFrom and protect, found {' and '.join(found) or 'none'}"
