"""How long to wait before asking an API server again that did not answer."""

import random

__all__ = ["Delays"]

FIRST_SECONDS = 0.5
LONGEST_SECONDS = 30.0


class Delays:
    """Doubles from half a second to half a minute, each spread a little, so that 5,000 agents do not ask at once."""

    def __init__(self) -> None:
        self._next = FIRST_SECONDS

    def reset(self) -> None:
        """Starts again, after an answer."""
        self._next = FIRST_SECONDS

    def following(self) -> float:
        """Seconds to wait now."""
        seconds = self._next * random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, keeps no secret
        self._next = min(2 * self._next, LONGEST_SECONDS)
        return seconds
