"""How often the guard may kill before the kernel must: a pause after each kill, and so many in a while. Pure.

Neither ever changes who is next; they only delay. Close to the end (a quarter of the threshold) waiting would hand the
choice to the kernel, so it ends there.
"""

from collections import deque

from oompolicy_agent.guard.settings import Limits

__all__ = ["Budget"]


class Budget:
    """Remembers kills by the monotonic clock's seconds."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._kills: deque[float] = deque(maxlen=limits.maximum_kills)

    def spend(self, time: float) -> None:
        """Counts a kill."""
        self._kills.append(time)

    def objection(self, time: float, room: int, threshold: int) -> str | None:
        """Why not to kill now, or None. The caller has no victim on its way out."""
        if room < threshold // 4 or not self._kills:
            return None
        if time - self._kills[-1] < self._limits.cooldown_seconds:
            return f"the last kill is less than {self._limits.cooldown_seconds:g} s ago"
        is_spent = len(self._kills) == self._limits.maximum_kills
        if is_spent and time - self._kills[0] < self._limits.budget_seconds:
            return f"{self._limits.maximum_kills} kills in {self._limits.budget_seconds:g} s are spent"
        return None
