"""Random policies for a tree of memcgs: what the map says of each, and the snapshot that says the same."""

import random
from collections.abc import Mapping, Sequence
from typing import Protocol

from oompolicy_agent.guard.assist_abi import Flag, Question, Target
from oompolicy_agent.model import Memcg, Snapshot, TieBreak

__all__ = ["HasPath", "drawn", "snapshot_of"]


class HasPath(Protocol):
    """A memcg, whatever else is known of it."""

    @property
    def path(self) -> str:
        """From the cgroup root."""

    @property
    def id(self) -> int:
        """Its cgroup id."""


PRIORITIES = (-(2**31), -10, 0, 0, 5, 5, 10, 100, 2**31 - 1)
SHARES = {
    Flag.PROTECTED: 0.06,
    Flag.PROTECTED_TO_REQUEST: 0.1,
    Flag.UNIT: 0.2,
    Flag.UNKILLABLE: 0.08,
    Flag.EXCLUDED: 0.05,
}
LISTED, PRIORITY, UNKNOWN = 0.9, 0.4, 0.1
REQUESTS = (0, 0, 1 << 20, 3 << 20, 1 << 40)


def drawn(chance: random.Random, places: Sequence[HasPath]) -> tuple[dict[int, Target], TieBreak, int]:
    """Targets by memcg id, the tie-break and the default priority."""
    targets = {place.id: _target(chance) for place in places if chance.random() < LISTED}
    return targets, chance.choice(list(TieBreak)), chance.choice(PRIORITIES)


def _target(chance: random.Random) -> Target:
    flags = Flag(0)
    for flag, share in SHARES.items():
        if chance.random() < share:
            flags |= flag
    if Flag.UNIT in flags and chance.random() < 0.5:
        flags |= Flag.PARTS
    if chance.random() < PRIORITY:
        return Target(chance.choice(PRIORITIES), flags | Flag.HAS_PRIORITY, chance.choice(REQUESTS))
    if chance.random() < UNKNOWN:
        flags |= Flag.UNKNOWN
    return Target(0, flags, chance.choice(REQUESTS))


def snapshot_of(
    domain: str,
    question: Question,
    places: Sequence[HasPath],
    found: Mapping[int, Target],
    populated: Mapping[int, bool],
) -> Snapshot:
    """The same for select(), with the usages that a run has found."""
    memcgs = [_memcg(place, found[place.id], populated[place.id]) for place in places if place.id in found]
    return Snapshot(domain, tuple(memcgs), question.default_priority, question.tie_break)


def _memcg(place: HasPath, target: Target, is_populated: bool) -> Memcg:
    flags = target.flags
    held = Flag.PROTECTED_TO_REQUEST in flags and target.usage_bytes <= target.request_bytes
    return Memcg(
        place.path,
        place.id,
        priority=target.priority if Flag.HAS_PRIORITY in flags else None,
        usage_bytes=target.usage_bytes,
        request_bytes=target.request_bytes,
        protected=held or Flag.PROTECTED in flags,
        killable=is_populated and not flags & (Flag.UNKILLABLE | Flag.EXCLUDED),
        unit=Flag.UNIT in flags,
        known=Flag.UNKNOWN not in flags,
    )
