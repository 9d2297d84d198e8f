"""Turns pods into targets: which priority or protection one policy gives to each pod, and by which rule.

The agent and `kubectl oompolicy resolve` share it, so that what a person is told is what a node does.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from oompolicy_agent.pods import PRIORITY_ANNOTATION, Pod
from oompolicy_agent.rules import CRITICAL, matches, misunderstood
from oompolicy_api.acting import RuleVictim, Victim
from oompolicy_api.policy import OOMPolicy
from oompolicy_api.rules import PriorityFrom, Protect, Rule

__all__ = ["NAMESPACE_NAME_LABEL", "PodProblem", "Resolution", "Target", "resolve"]

NAMESPACE_NAME_LABEL = "kubernetes.io/metadata.name"
"""The API server puts it on every namespace; a tenant cannot change it."""

_NUMBER = re.compile(r"[+-]?[0-9]{1,10}")


@dataclass(frozen=True, slots=True)
class Target:
    """What a node is told about one pod.

    Attributes:
        priority: int32, the lower dies first; None exactly when `protect` is set.
        protect: `Always`, or `Request`: as long as the pod stays within its memory request.
        rule: the name of the rule that decided, None when none did.
        source: `Rule`, `Default` (no rule matched), `Critical` (protected before any rule), or `Override` (its own
            annotation, where its rule lets it).
        unit: what dies as one: `Container`, `Pod` or `Process`.
        grace_milliseconds: from SIGTERM to SIGKILL.
        then: what comes after the kill: `Restart` or `Evict`.
        containers: the priorities of those of its containers that have one set apart, by name.
    """

    pod: Pod
    priority: int | None
    protect: str | None
    rule: str | None
    source: str
    unit: str = "Container"
    grace_milliseconds: int = 0
    then: str = "Restart"
    containers: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PodProblem:
    """Something in a pod that its tenant should mend."""

    uid: str
    namespace: str
    name: str
    message: str


@dataclass(frozen=True, slots=True)
class Resolution:
    """The targets of all pods that run, in their order.

    Attributes:
        problems: one sentence for each thing of the policy that was not understood.
        pod_problems: what is wrong in the pods themselves.
    """

    targets: tuple[Target, ...]
    problems: tuple[str, ...]
    pod_problems: tuple[PodProblem, ...] = ()


@dataclass(slots=True)
class _Reading:
    """A policy while it is read; problems are kept once each, in the order in which they were met."""

    policy: OOMPolicy
    problems: dict[str, None] = field(default_factory=dict)
    pod_problems: list[PodProblem] = field(default_factory=list)

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
    return Resolution(targets, tuple(reading.problems), tuple(reading.pod_problems))


def _target(reading: _Reading, pod: Pod, namespace_labels: Mapping[str, str]) -> Target:
    spec = reading.policy.spec
    if _is_critical(reading.policy, pod):
        return Target(pod, priority=None, protect="Always", rule=None, source="Critical")
    for rule in spec.rules:
        try:
            if matches(rule.match, pod, namespace_labels):
                return _by_rule(reading, rule, pod)
        except ValueError as error:
            return reading.fail_safe(pod, rule, str(error))
    target = Target(pod, priority=spec.default_priority, protect=None, rule=None, source="Default")
    return _killed_as(target, None, spec.victim)


def _is_critical(policy: OOMPolicy, pod: Pod) -> bool:
    namespaces = policy.spec.protect_critical.namespaces
    if pod.static:
        return bool(namespaces)
    return pod.namespace in namespaces and pod.priority_class in CRITICAL


def _by_rule(reading: _Reading, rule: Rule, pod: Pod) -> Target:
    general = reading.policy.spec.victim
    if problem := misunderstood(rule, general):
        return reading.fail_safe(pod, rule, problem)
    target = Target(pod, *_standing(rule, pod), rule=rule.name, source="Rule", containers=_container_order(rule, pod))
    return _killed_as(_overridden(reading, rule, target), rule.victim, general)


def _standing(rule: Rule, pod: Pod) -> tuple[int | None, str | None]:
    """Priority or protection, by a rule that is understood."""
    match rule:
        case Rule(priority_from=PriorityFrom() as bounds):
            return bounds.clamp(pod.priority), None
        case Rule(protect=Protect(up_to=up_to)):
            return None, up_to
    return rule.priority, None


def _container_order(rule: Rule, pod: Pod) -> dict[str, int]:
    there = {container.name for container in pod.containers}
    return {one.name: one.priority for one in rule.containers if one.name in there}


def _overridden(reading: _Reading, rule: Rule, target: Target) -> Target:
    """With the priority that the pod itself wants, as far as the rule lets it."""
    bounds, wanted = rule.override, target.pod.wanted_priority
    if bounds is None or wanted is None or target.protect:
        return target
    if not _NUMBER.fullmatch(wanted):
        expected = f"expected a whole number from {bounds.minimum} to {bounds.maximum}"
        message = f"annotation {PRIORITY_ANNOTATION}: {expected}, found {wanted[:40]!r}; it is ignored"
        reading.pod_problems.append(PodProblem(target.pod.uid, target.pod.namespace, target.pod.name, message))
        return target
    return replace(target, priority=bounds.clamp(int(wanted)), source="Override")


def _killed_as(target: Target, own: RuleVictim | None, general: Victim) -> Target:
    """How it is killed: as its rule says, else as the policy says in general."""
    own = own or RuleVictim()
    grace = general.grace_milliseconds if own.grace_milliseconds is None else own.grace_milliseconds
    return replace(
        target,
        unit=own.unit or general.unit or target.unit,
        grace_milliseconds=grace or 0,
        then=own.then or general.then or target.then,
    )
