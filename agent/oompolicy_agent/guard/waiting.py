"""Waits for a victim on its way out, one at a time and never for ever. Pure: observations in, an answer out."""

import enum
from dataclasses import dataclass

__all__ = ["Ending", "Observation", "Waiting"]

EMPTY_SECONDS = 0.5
"""An empty memcg's memory should be back by then; what is not will not come."""
STUCK_SECONDS = 1.0
"""Without a fall of its usage, a victim that still has processes is stuck (in D state, frozen)."""
LONGEST_SECONDS = 30.0
SMALLEST_FALL = 1 << 20
"""Bytes: less is the noise of per-CPU counters."""


class Ending(enum.Enum):
    """How the wait ended."""

    FREED = "Freed"
    """Empty, and its memory is back as far as it will be."""
    GAVE_UP = "GaveUp"
    """It would not die in time."""


@dataclass(frozen=True, slots=True)
class Observation:
    """The victim and its domain at one moment of the monotonic clock."""

    time: float
    margin: int
    is_populated: bool
    """False also once its memcg is gone."""
    usage: int
    """All that is charged for it, in bytes, also what it left behind."""


class Waiting:
    """One wait."""

    def __init__(self, start: Observation, usage: int) -> None:
        self._start = start
        self._since = start.time
        self._usage = usage
        self._lowest = self._mark = start.usage
        self._fell_at = start.time
        self.empty_at: float | None = None
        """When it was first seen empty or gone."""
        self.freed_bytes = 0
        """As far as can be told: what its memcg no longer holds, or what the margin has gained."""

    def restart(self, now: Observation) -> None:
        """Its time begins now: it was only asked to end before."""
        self._since = self._fell_at = now.time

    def look(self, now: Observation) -> Ending | None:
        """Takes an observation in; returns how the wait ended, or None while it goes on."""
        self._measure(now)
        if self.empty_at is not None:
            is_back = self.freed_bytes >= self._usage // 2
            return Ending.FREED if is_back or now.time - self.empty_at >= EMPTY_SECONDS else None
        is_stuck = now.time - self._fell_at >= STUCK_SECONDS or now.time - self._since >= LONGEST_SECONDS
        return Ending.GAVE_UP if is_stuck else None

    @property
    def is_futile(self) -> bool:
        """Whether less than a quarter of what it used came back."""
        return self.freed_bytes < self._usage // 4

    def _measure(self, now: Observation) -> None:
        if self.empty_at is None and not now.is_populated:
            self.empty_at = now.time
        self._lowest = min(self._lowest, now.usage)
        if now.usage <= self._mark - SMALLEST_FALL:
            self._mark, self._fell_at = now.usage, now.time
        self.freed_bytes = max(self.freed_bytes, self._start.usage - self._lowest, now.margin - self._start.margin)
