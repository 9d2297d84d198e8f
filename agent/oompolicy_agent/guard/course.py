"""How a domain came to a decision: what was left in it around that moment, for people who look at it later. Pure."""

from collections import deque
from dataclasses import dataclass

__all__ = ["Course", "Seen"]

MOST_SEEN = 40
"""With the shortest distance of two: eight seconds; in calm, when there is a look each second, forty."""
SHORTEST_DISTANCE = 0.2
"""Seconds. Near a shortage there is a look every ten milliseconds, too many to keep."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look showed."""

    time: float
    """By the monotonic clock."""
    margin: int
    """Bytes."""
    stall_percent: int
    """How much of the last window all tasks stood still for want of memory; 0 unless the domain had to reclaim."""

    def document(self, moment: float) -> dict[str, object]:
        """As the journal has it, at a distance from the moment that matters."""
        return {
            "offsetMilliseconds": round((self.time - moment) * 1000),
            "marginBytes": self.margin,
            "stallPercent": self.stall_percent,
        }


class Course:
    """The last looks at a domain, the newest always among them."""

    def __init__(self) -> None:
        self._seen: deque[Seen] = deque(maxlen=MOST_SEEN)

    def add(self, seen: Seen) -> None:
        """Takes a look in; the one before goes if it came too soon after its own predecessor."""
        if len(self._seen) > 1 and self._seen[-1].time - self._seen[-2].time < SHORTEST_DISTANCE:
            self._seen.pop()
        self._seen.append(seen)

    def around(self, moment: float) -> tuple[dict[str, object], ...]:
        """All of it, oldest first, told by the distance from that moment of the monotonic clock."""
        return tuple(seen.document(moment) for seen in self._seen)
