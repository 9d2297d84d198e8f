"""Whom a kill would not help with: victims that do not die, and those whose death gave nothing back. Pure.

Skipping somebody means that somebody more important dies, so only what was seen to be of no use is skipped.
"""

from oompolicy_agent.guard.settings import Limits

__all__ = ["Outcasts"]

FUTILE_IN_A_ROW = 2
"""After so many the memory is held by nobody whom a kill could end: tmpfs, slab."""


class Outcasts:
    """Remembers outcomes; times are the monotonic clock's."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._stuck: set[int] = set()
        self._futile_until: dict[str, float] = {}
        self._futile_in_a_row = 0

    @property
    def stuck(self) -> frozenset[int]:
        """Memcgs, by id, that would not die. Ids are not used again in one boot."""
        return frozenset(self._stuck)

    @property
    def is_hopeless(self) -> bool:
        """Whether kills have stopped to help at all."""
        return self._futile_in_a_row >= FUTILE_IN_A_ROW

    def futile(self, now: float) -> frozenset[str]:
        """Pods, by uid, and memcgs of the host, by path, that are left alone for now."""
        self._futile_until = {uid: until for uid, until in self._futile_until.items() if until > now}
        return frozenset(self._futile_until)

    def remember(self, outcome: str, memcg: int, owner: str, now: float) -> None:
        """Takes in how a kill ended."""
        if outcome == "GaveUp":
            self._stuck.add(memcg)
        elif outcome == "Futile":
            self._futile_until[owner] = now + self._limits.futile_seconds
            self._futile_in_a_row += 1
        else:
            self._futile_in_a_row = 0

    def relax(self) -> None:
        """Memory came back: the next kill may help again."""
        self._futile_in_a_row = 0
