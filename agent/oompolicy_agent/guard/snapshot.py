"""Joins what is on the node with what the node was told: the snapshot that a choice is made from. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from oompolicy_agent.guard.layout import Kind, Place
from oompolicy_agent.guard.sandboxes import CONTAINER, SANDBOX
from oompolicy_agent.guard.targets import ContainerTarget, HostTarget, Policy, Targets
from oompolicy_agent.model import Memcg, Snapshot

__all__ = ["NO_POLICY", "Facts", "Mapped", "host_target", "is_container", "mapped", "snapshot_of", "untold"]

NO_POLICY = Policy("", "", 0, "Off")
"""In whose place a node without a policy is looked at."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found out about the memcgs of a tree."""

    roles: Mapping[str, str | None] = field(default_factory=dict)
    """By container id: `container`, `sandbox`, or None where the runtime did not say."""
    names: Mapping[str, str] = field(default_factory=dict)
    """By container id, what the runtime says that it is called in its pod."""
    young: frozenset[str] = frozenset()
    """Pods, by uid, that came so lately that whoever tells us about pods may not have done so yet."""
    usage: Mapping[int, int] = field(default_factory=dict)
    """By memcg id, in bytes; what is missing here and not unread is empty, gone, or of no interest."""
    unread: frozenset[int] = frozenset()
    """Memcgs, by id, that may hold processes; nobody has looked, because others come before them anyway."""
    own: frozenset[str] = frozenset()
    """Pods, by uid, that hold the guard itself or PID 1."""
    excluded: frozenset[int] = frozenset()
    """Memcgs, by id, that die already or would not die."""
    futile: frozenset[str] = frozenset()
    """Whose death gave next to nothing back: pods by uid, memcgs of the host by path."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """How well targets and node fit."""

    targets_mapped: int
    """Pods, containers and memcgs of the host that were found."""
    pods_without_cgroup: int
    unknown_leaves: int
    """Containers of pods that nobody told us about."""


def snapshot_of(tree: Sequence[Place], targets: Targets, facts: Facts, domain: str) -> Snapshot:
    """The tree, or a part of it with all its ancestors, as the choice sees it for the shortage of `domain`."""
    policy = targets.policy or NO_POLICY
    inner = frozenset(place.parent for place in tree)
    builder = _Builder(targets, facts, policy.default_priority, _sums(tree, targets, facts), inner)
    memcgs = tuple([memcg for place in tree if (memcg := builder.memcg(place))])
    return Snapshot(domain, memcgs, policy.default_priority, policy.tie_break)


def mapped(tree: Sequence[Place], targets: Targets, facts: Facts) -> Mapped:
    """How well they fit, for the status."""
    pods = {place.pod_uid for place in tree if place.kind is Kind.POD}
    containers = [place for place in tree if place.kind is Kind.CONTAINER]
    listed = [place for place in containers if _told(place, targets)]
    found = pods & targets.pods.keys()
    on_host = [place for place in tree if place.path in targets.host_cgroups]
    strangers = [place for place in containers if _is_stranger(place, targets, facts)]
    return Mapped(len(found) + len(listed) + len(on_host), len(targets.pods) - len(found), len(strangers))


@dataclass(frozen=True, slots=True)
class _Builder:
    """Makes one memcg of the snapshot at a time."""

    targets: Targets
    facts: Facts
    default: int
    sums: Mapping[str, int]
    """What has been measured in each interior memcg, by path, in bytes."""
    inner: frozenset[str]
    """What has something in it. A pod whose containers have gone, or are yet to come, is no victim."""

    def memcg(self, place: Place) -> Memcg | None:
        match place.kind:
            case Kind.HOST | Kind.BRANCH:
                return self._of_host(place)
            case Kind.POD:
                return self._pod(place)
            case Kind.CONTAINER | Kind.HELPER:
                return self._container(place)
        return self._way(place)

    def _of_host(self, place: Place) -> Memcg | None:
        """What nobody has set a target for is protected; on the way to a target there is nothing to say."""
        is_leaf, target = place.kind is Kind.HOST, host_target(place, self.targets)
        if target is None:
            return Memcg(place.path, place.id, protected=True) if is_leaf else self._way(place)
        is_own = place.path == target.path
        usage = self.facts.usage.get(place.id, 0) if is_leaf else self._sum(place)
        return Memcg(
            place.path,
            place.id,
            priority=self._explicit(target.priority) if is_own else None,
            usage_bytes=usage,
            request_bytes=target.request_bytes if is_own else 0,
            protected=place.is_vital or (is_own and _is_protected(target.protect, usage, target.request_bytes)),
            killable=self._may_die(place) if is_leaf else place.path in self.inner,
            unit=place.is_group,
        )

    def _way(self, place: Place) -> Memcg | None:
        """What is compared by what is in it, unless it dies as one."""
        if not place.is_group:
            return None
        return Memcg(place.path, place.id, usage_bytes=self._sum(place), killable=place.path in self.inner, unit=True)

    def _pod(self, place: Place) -> Memcg:
        target = self.targets.pods.get(place.pod_uid)
        if place.pod_uid in self.facts.own or (target is None and place.is_static):
            return Memcg(place.path, place.id, protected=True)
        usage, is_inner = self._sum(place), place.path in self.inner
        if target is None:
            waits = place.pod_uid in self.facts.young
            priority = None if waits else self.default
            return Memcg(place.path, place.id, priority, usage, killable=is_inner, unit=place.is_group, known=not waits)
        return Memcg(
            place.path,
            place.id,
            priority=self._explicit(target.priority),
            usage_bytes=usage,
            request_bytes=target.request_bytes,
            protected=_is_protected(target.protect, usage, target.request_bytes),
            killable=is_inner,
            unit=target.unit == "Pod" or place.is_group,
        )

    def _container(self, place: Place) -> Memcg:
        told = _told(place, self.targets)
        return Memcg(
            place.path,
            place.id,
            priority=told.priority if told else None,
            usage_bytes=self.facts.usage.get(place.id, 0),
            request_bytes=told.request_bytes if told else 0,
            killable=self._may_die(place) and is_container(place, self.targets, self.facts.roles),
            unit=True,
            known=place.pod_uid in self.targets.pods or place.pod_uid not in self.facts.young,
        )

    def _may_die(self, place: Place) -> bool:
        facts = self.facts
        if place.id in facts.excluded or place.owner in facts.futile:
            return False
        return place.id in facts.usage or place.id in facts.unread

    def _explicit(self, priority: int | None) -> int:
        """Beyond its request, what is protected up to it counts with the default priority."""
        return self.default if priority is None else priority

    def _sum(self, place: Place) -> int:
        return self.sums.get(place.path, 0)


def host_target(place: Place, targets: Targets) -> HostTarget | None:
    """What the node was told about a memcg outside kubepods, or about the nearest one above it."""
    path = place.target
    while path and path not in targets.host_cgroups:  # it may be a target of another policy's
        path = path.rpartition("/")[0]
    return targets.host_cgroups.get(path)


def untold(tree: Sequence[Place], targets: Targets, facts: Facts) -> list[str]:
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


def _is_protected(protect: str | None, usage: int, request: int) -> bool:
    return protect == "Always" or (protect == "Request" and usage <= request)


def _told(place: Place, targets: Targets) -> ContainerTarget | None:
    target = targets.pods.get(place.pod_uid)
    return target.containers.get(place.container_id) if target else None


def _sums(tree: Sequence[Place], targets: Targets, facts: Facts) -> dict[str, int]:
    """What has been measured in each interior memcg. A sandbox is not: it is next to nothing, and does not die."""
    sums: dict[str, int] = {}
    for place in tree:
        usage = facts.usage.get(place.id)
        if usage and (place.kind is Kind.HOST or is_container(place, targets, facts.roles)):
            path = place.parent
            while path:
                sums[path] = sums.get(path, 0) + usage
                path = path.rpartition("/")[0]
    return sums


def _is_stranger(place: Place, targets: Targets, facts: Facts) -> bool:
    """Whether it is a container of a pod that nobody told us about and that has to be told."""
    if place.pod_uid in targets.pods or place.pod_uid in facts.own or place.is_static:
        return False
    return facts.roles.get(place.container_id) != SANDBOX
