"""How often the guard may kill before the kernel must: a pause after each kill, and so many in a while. Pure.

Neither ever changes who is next; they only delay. Close to the end (a quarter of the threshold) waiting would hand the
choice to the kernel, so it ends there.
"""

from collections import deque

from oompolicy_agent.guard.settings import Limits

__all__ = ["Budget"]

MOST_REMEMBERED = 128
"""Kills; more than any policy's `maximumKills`."""
EVICTED_FROM = 3
"""From so many kills of one pod within the window its restarts are of no use: it should be evicted too."""


class Budget:
    """Remembers kills by the monotonic clock's seconds."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        """Those in force; the policy may change them at any time."""
        self._kills: deque[tuple[float, str]] = deque(maxlen=MOST_REMEMBERED)

    def spend(self, time: float, owner: str = "") -> None:
        """Counts a kill."""
        self._kills.append((time, owner))

    def keeps_coming_back(self, time: float, owner: str) -> bool:
        """Whether one more kill of the same pod makes three in the window; nobody (empty) never does."""
        since = time - self.limits.budget_seconds
        earlier = sum(1 for at, other in self._kills if other == owner and at >= since)
        return bool(owner) and earlier + 1 >= EVICTED_FROM

    def spent(self, time: float) -> str | None:
        """What speaks against a kill now, for people; None: nothing. The caller has no victim on its way out."""
        limits = self.limits
        if not self._kills:
            return None
        if time - self._kills[-1][0] < limits.cooldown_seconds:
            return f"the last kill is less than {limits.cooldown_seconds:g} s ago"
        if len(self._kills) < limits.maximum_kills:
            return None
        if time - self._kills[-limits.maximum_kills][0] < limits.budget_seconds:
            return f"{limits.maximum_kills} kills in {limits.budget_seconds:g} s are spent"
        return None

    def left(self, time: float) -> int:
        """How many kills are not spent yet in the window that ends now."""
        since = time - self.limits.budget_seconds
        return max(0, self.limits.maximum_kills - sum(1 for at, _ in self._kills if at > since))

    def exhausted(self, time: float) -> str | None:
        """A sentence for people while no kill is left; None: some are."""
        limits = self.limits
        if self.left(time):
            return None
        spent = f"{limits.maximum_kills} kills in {limits.budget_seconds:g} s"
        return f"The budget of {spent} is spent: until it has room again nobody is killed before the last moment"

    @staticmethod
    def binds(room: int, threshold: int) -> bool:
        """Whether there is still time to keep to it: at least a quarter of the threshold is left, in bytes."""
        return room >= threshold // 4
