"""Joins what is on the node with what the node was told: the snapshot that a choice is made from. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from oompolicy_agent.guard.layout import Kind, Place
from oompolicy_agent.guard.sandboxes import CONTAINER, SANDBOX
from oompolicy_agent.guard.targets import ContainerTarget, Policy, Targets
from oompolicy_agent.model import Memcg, Snapshot

__all__ = ["Facts", "Mapped", "classes", "is_container", "mapped", "snapshot_of", "untold"]


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found out about the memcgs of a tree."""

    roles: Mapping[str, str | None] = field(default_factory=dict)
    """By container id: `container`, `sandbox`, or None where the runtime did not say."""
    ages: Mapping[str, float] = field(default_factory=dict)
    """By pod uid: seconds since the guard first saw the pod."""
    usage: Mapping[int, int] = field(default_factory=dict)
    """By memcg id, in bytes; what is missing here and not unread is empty, gone, or of no interest."""
    unread: frozenset[int] = frozenset()
    """Memcgs, by id, that may hold processes; nobody has looked, because others come before them anyway."""
    own: frozenset[str] = frozenset()
    """Pods, by uid, that hold the guard itself or PID 1."""
    excluded: frozenset[int] = frozenset()
    """Memcgs, by id, that die already or would not die."""
    futile: frozenset[str] = frozenset()
    """Pods, by uid, whose death gave next to nothing back."""
    unknown_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Mapped:
    """How well targets and node fit."""

    targets_mapped: int
    """Pods and containers that were found."""
    pods_without_cgroup: int
    unknown_leaves: int
    """Containers of pods that nobody told us about."""


def snapshot_of(tree: list[Place], targets: Targets, facts: Facts, domain: str) -> Snapshot:
    """The tree as the choice sees it, for the shortage of `domain`."""
    policy = targets.policy or _NO_POLICY
    builder = _Builder(targets, facts, policy.default_priority, _usage_by_pod(tree, targets, facts))
    memcgs = tuple([memcg for place in tree if (memcg := builder.memcg(place))])
    return Snapshot(domain, memcgs, policy.default_priority, policy.tie_break)


def classes(tree: list[Place], targets: Targets, facts: Facts) -> list[list[Place]]:
    """The containers that could die, in groups by what their pods are compared by, the first group to die first.

    In a crisis only the first group has to be measured: what the others use changes nothing.
    """
    groups: dict[tuple[bool, int], list[Place]] = {}
    for place in tree:
        if is_container(place, targets, facts.roles) and (key := _class_of(place, targets, facts)):
            groups.setdefault(key, []).append(place)
    return [groups[key] for key in sorted(groups)]


def mapped(tree: list[Place], targets: Targets, facts: Facts) -> Mapped:
    """How well they fit, for the status."""
    pods = {place.pod_uid for place in tree if place.kind is Kind.POD}
    containers = [place for place in tree if place.kind is Kind.CONTAINER]
    listed = [place for place in containers if _told(place, targets)]
    found = pods & targets.pods.keys()
    strangers = [place for place in containers if _is_stranger(place, targets, facts)]
    return Mapped(len(found) + len(listed), len(targets.pods) - len(found), len(strangers))


_NO_POLICY = Policy("", "", 0, "Off")


@dataclass(frozen=True, slots=True)
class _Builder:
    """Makes one memcg of the snapshot at a time."""

    targets: Targets
    facts: Facts
    default: int
    usage_by_pod: Mapping[str, int]

    def memcg(self, place: Place) -> Memcg | None:
        match place.kind:
            case Kind.HOST:
                return Memcg(place.path, place.id, protected=True)
            case Kind.POD:
                return self._pod(place)
            case Kind.CONTAINER | Kind.HELPER:
                return self._container(place)
        return None

    def _pod(self, place: Place) -> Memcg:
        target = self.targets.pods.get(place.pod_uid)
        if place.pod_uid in self.facts.own or (target is None and place.is_static):
            return Memcg(place.path, place.id, protected=True)
        if target is None:
            return Memcg(place.path, place.id, priority=self.default if self._has_waited(place) else None)
        usage = self.usage_by_pod.get(place.pod_uid, 0)
        protected = target.protect == "Always" or (target.protect == "Request" and usage <= target.request_bytes)
        return Memcg(
            place.path,
            place.id,
            priority=self.default if target.priority is None else target.priority,
            usage_bytes=usage,
            request_bytes=target.request_bytes,
            protected=protected,
            unit=target.unit == "Pod",
        )

    def _container(self, place: Place) -> Memcg:
        told = _told(place, self.targets)
        return Memcg(
            place.path,
            place.id,
            priority=told.priority if told else None,
            usage_bytes=self.facts.usage.get(place.id, 0),
            request_bytes=told.request_bytes if told else 0,
            killable=self._is_killable(place),
            unit=True,
            known=place.pod_uid in self.targets.pods or self._has_waited(place),
        )

    def _is_killable(self, place: Place) -> bool:
        facts = self.facts
        if place.id in facts.excluded or place.pod_uid in facts.futile:
            return False
        if place.id not in facts.usage and place.id not in facts.unread:
            return False
        return is_container(place, self.targets, facts.roles)

    def _has_waited(self, place: Place) -> bool:
        return _has_waited(place, self.facts)


def untold(tree: list[Place], targets: Targets, facts: Facts) -> list[str]:
    """Containers, by id, of which nobody says whether they are sandboxes; they are left alone."""
    return [
        place.container_id
        for place in tree
        if place.kind is Kind.CONTAINER
        and facts.roles.get(place.container_id) is None
        and not is_container(place, targets, facts.roles)
    ]


def is_container(place: Place, targets: Targets, roles: Mapping[str, str | None]) -> bool:
    """The runtime's word counts; where it left none, the API server's. What nobody vouches for is left alone."""
    if place.kind is not Kind.CONTAINER:
        return False
    role = roles.get(place.container_id)
    return role == CONTAINER or (role is None and _told(place, targets) is not None)


def _class_of(place: Place, targets: Targets, facts: Facts) -> tuple[bool, int] | None:
    """What its pod is compared by: unknown, and the priority. None: never a candidate."""
    target, default = targets.pods.get(place.pod_uid), (targets.policy or _NO_POLICY).default_priority
    if place.pod_uid in facts.own or (target is None and place.is_static):
        return None
    if target is None:
        return not _has_waited(place, facts), default
    if target.protect == "Always":
        return None
    return False, default if target.priority is None else target.priority


def _has_waited(place: Place, facts: Facts) -> bool:
    return facts.ages.get(place.pod_uid, 0.0) >= facts.unknown_seconds


def _told(place: Place, targets: Targets) -> ContainerTarget | None:
    target = targets.pods.get(place.pod_uid)
    return target.containers.get(place.container_id) if target else None


def _usage_by_pod(tree: list[Place], targets: Targets, facts: Facts) -> dict[str, int]:
    """The usage of each pod's containers; the sandbox is next to nothing and does not die with them."""
    sums: dict[str, int] = {}
    for place in tree:
        if is_container(place, targets, facts.roles):
            sums[place.pod_uid] = sums.get(place.pod_uid, 0) + facts.usage.get(place.id, 0)
    return sums


def _is_stranger(place: Place, targets: Targets, facts: Facts) -> bool:
    """Whether it is a container of a pod that nobody told us about and that has to be told."""
    if place.pod_uid in targets.pods or place.pod_uid in facts.own or place.is_static:
        return False
    return facts.roles.get(place.container_id) != SANDBOX
