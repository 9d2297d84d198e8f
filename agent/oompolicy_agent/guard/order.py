"""Puts the memcgs of a tree into the order that needs no measuring: classes, the first class to die first. Pure.

Memcgs are compared layer by layer, so what decides is the topmost on the way down that has a priority or dies as one: a
pod, a target of the host, a slice with memory.oom.group. All that is in it is of its class, and is measured with it.
Classes differ in the part of the key that comes before usage; so what the classes behind the first with a candidate use
changes nothing, and the choice among a class needs no memcg of another.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from oompolicy_agent.guard.layout import Kind, Place
from oompolicy_agent.guard.snapshot import NO_POLICY, Facts, host_target, is_container
from oompolicy_agent.guard.targets import Targets

__all__ = ["Class", "classes"]

Key = tuple[bool, int]
"""Whether it is unknown, and its priority."""


@dataclass(slots=True)
class Class:
    """Memcgs that only their usage, request or age can tell apart."""

    leaves: list[Place] = field(default_factory=list)
    """To be measured: who could die."""
    places: dict[str, Place] = field(default_factory=dict)
    """By path, all that a choice among them depends on: these, what dies or is spared with them, what is above."""


def classes(tree: Sequence[Place], targets: Targets, facts: Facts) -> list[Class]:
    """The classes of who could die, first to die first; nobody who is protected for certain is in one."""
    return _Sorting(targets, facts).sort(tree)


class _Sorting:
    """One pass from the root down."""

    def __init__(self, targets: Targets, facts: Facts) -> None:
        self._targets = targets
        self._facts = facts
        self._default = (targets.policy or NO_POLICY).default_priority
        self._classes: dict[Key, Class] = {}
        self._of: dict[str, Class | None] = {}
        """By path, what is compared by its own key or is below such a memcg; None: never a candidate."""
        self._above: dict[str, Place] = {}
        """By path, what is compared by what is in it."""

    def sort(self, tree: Sequence[Place]) -> list[Class]:
        for place in tree:
            if place.parent in self._of:
                found = self._of[place.parent]
            elif self._has_key(place):
                found = self._opened(place)
            else:
                self._above[place.path] = place
                continue
            self._of[place.path] = found
            if found:
                self._add(place, found)
        ordered = [self._classes[key] for key in sorted(self._classes)]
        return [one for one in ordered if one.leaves]

    def _add(self, place: Place, found: Class) -> None:
        found.places[place.path] = place
        if place.kind is Kind.HOST or is_container(place, self._targets, self._facts.roles):
            found.leaves.append(place)

    def _has_key(self, place: Place) -> bool:
        return place.is_group or place.kind in {Kind.POD, Kind.HOST} or place.path in self._targets.host_cgroups

    def _opened(self, place: Place) -> Class | None:
        """The class of a memcg that is compared by its own key, with what is above it."""
        key = self._key(place)
        if key is None:
            return None
        found = self._classes.setdefault(key, Class())
        above = self._above.get(place.parent)
        while above:
            found.places[above.path] = above
            above = self._above.get(above.parent)
        return found

    def _key(self, place: Place) -> Key | None:
        """None: never a candidate."""
        if place.kind is Kind.POD:
            return self._key_of_pod(place)
        target = host_target(place, self._targets)
        if target is None:
            return (False, self._default) if place.is_group and place.kind is not Kind.HOST else None
        if target.protect == "Always" or place.is_vital:
            return None
        return False, self._default if target.priority is None else target.priority

    def _key_of_pod(self, place: Place) -> Key | None:
        target = self._targets.pods.get(place.pod_uid)
        if place.pod_uid in self._facts.own or (target is None and place.is_static):
            return None
        if target is None:
            return place.pod_uid in self._facts.young, self._default
        if target.protect == "Always":
            return None
        return False, self._default if target.priority is None else target.priority
