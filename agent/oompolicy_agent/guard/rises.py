"""Tells whether a counter of the kernel's has risen lately. Pure."""

__all__ = ["Rises"]

LONG_AGO = float("-inf")


class Rises:
    """Counters by name, each with when it was last seen to have risen, by the clock of the looks.

    What rose between two looks counts from the later one on, however late that came: how much earlier it was nobody can
    tell, and a guard that is kept from looking is no reason to think that all is well.
    """

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, float]] = {}

    def see(self, name: str, count: int, now: float, window: float) -> bool:
        """Takes a counter in; whether it has risen within `window` seconds.

        At first sight it has not, and neither if it has fallen: it belongs to another memcg in the same place.
        """
        before, risen_at = self._seen.get(name, (count, LONG_AGO))
        if count != before:
            risen_at = now if count > before else LONG_AGO
        self._seen[name] = (count, risen_at)
        return now - risen_at <= window

    def forget(self, name: str) -> None:
        """What comes under that name next is seen for the first time."""
        self._seen.pop(name, None)
