"""Decides from measurements whether to act now, and when to look again. Pure.

Without swap the kernel's pressure figures stay near zero until it is too late, so margin and growth lead and pressure
confirms. Reclaim of a pod against its own limit must not look like a shortage of the node: a stall counts only while
the domain itself had to reclaim.
"""

from collections import deque
from dataclasses import dataclass

from oompolicy_agent.guard.settings import MEBIBYTE, Limits

__all__ = ["LONGEST_PAUSE", "Growth", "Sample", "Thresholds", "Trigger", "judge", "pause", "thresholds"]

SHORTEST_PAUSE = 0.01
LONGEST_PAUSE = 1.0
FASTEST_EXPECTED = 1024 * MEBIBYTE
"""Bytes per second: what one process on a common machine takes at most."""
GROWTH_SECONDS = 1.0
MOMENT_SECONDS = 0.3
"""The kernel counts in batches for each CPU: over less, a few mebibytes of noise look like a burst."""
SHORTEST_MEASUREMENT = 0.1
"""Seconds: what is measured over less is noise."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement of a domain; bytes, and seconds of the monotonic clock."""

    time: float
    margin: int
    size: int
    """The domain's limit, or the node's memory."""
    swap: int = 0
    """What of the swap may stand in for memory."""
    has_swap: bool = False
    stall_milliseconds: int = 0
    """Of full stall in the last window, 0 unless the domain itself had to reclaim in it."""
    kubelet_signal: int | None = None
    """What kubelet compares with its threshold; None where that does not apply."""

    @property
    def room(self) -> int:
        """What is left with swap."""
        return self.margin + self.swap


@dataclass(frozen=True, slots=True)
class Trigger:
    """The reason to act, with the numbers that made it one."""

    reason: str
    margin: int
    threshold: int
    growth: int
    """Bytes per second."""
    stall_milliseconds: int
    swap: int


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What a domain's sample is compared with, in bytes."""

    room: int
    """Act below half of it, or below it when there is a reason to hurry."""
    kubelet: int | None
    """Act when kubelet's signal is below it; None: nobody could tell where kubelet would evict."""
    stall_milliseconds: int


class Growth:
    """How fast a domain's room has shrunk lately, in bytes per second."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()
        self.highest = 0
        self.steady = 0
        """Over the last second, as of the last sample: for what has time; it knows nothing of bursts."""

    def add(self, sample: Sample) -> int:
        """Takes a sample in; returns the growth over the last second or the last moment, whichever is steeper."""
        self._samples.append((sample.time, sample.room))
        while len(self._samples) > 2 and sample.time - self._samples[1][0] >= GROWTH_SECONDS:  # noqa: PLR2004 - the two ends
            self._samples.popleft()
        self.steady = self._since(*self._samples[0], sample)
        growth = max(self.steady, self._since(*self._recent(sample.time), sample))
        self.highest = max(self.highest, growth)
        return growth

    def _recent(self, now: float) -> tuple[float, int]:
        """The newest of those that are old enough: the beginning of a burst must not drown in the second before it."""
        old = (one for one in reversed(self._samples) if now - one[0] >= MOMENT_SECONDS)
        return next(old, self._samples[0])

    @staticmethod
    def _since(start: float, room: int, sample: Sample) -> int:
        seconds = sample.time - start
        return max(0, int((room - sample.room) / seconds)) if seconds >= SHORTEST_MEASUREMENT else 0

    def restart(self) -> None:
        """Forgets the samples: a kill has made them say nothing about the next second."""
        self._samples.clear()


def thresholds(size: int, kubelet_hard_eviction: int | None, limits: Limits) -> Thresholds:
    """The thresholds of a domain of that size; kubelet's own is None if nobody could tell."""
    kubelet = None if kubelet_hard_eviction is None else int(limits.kubelet_factor * kubelet_hard_eviction)
    if limits.threshold_percent is not None:
        room = size * limits.threshold_percent // 100
    else:
        room = min(limits.threshold_bytes, size // limits.largest_share)
    return Thresholds(room, kubelet, limits.stall_milliseconds)


def judge(sample: Sample, growth: int, below: Thresholds, kill_to_free: float) -> Trigger | None:
    """The reason to act now, or None.

    Args:
        sample: the newest measurement of the domain.
        growth: bytes per second.
        below: the domain's thresholds.
        kill_to_free: seconds from a decision to memory being back, as measured on this node.
    """
    reason = _reason(sample, growth, below, kill_to_free)
    if reason is None:
        return None
    return Trigger(reason, sample.margin, below.room, growth, sample.stall_milliseconds, sample.swap)


def _reason(sample: Sample, growth: int, below: Thresholds, kill_to_free: float) -> str | None:
    if sample.room < below.room // 2:
        return "MarginExhausted"
    if sample.room < below.room and growth * kill_to_free >= sample.room:
        return "GrowthExhausts"
    is_short = sample.room < below.room or (sample.has_swap and sample.margin < below.room)
    if is_short and sample.stall_milliseconds >= below.stall_milliseconds:
        return "Stalled"
    if below.kubelet is not None and sample.kubelet_signal is not None and sample.kubelet_signal < below.kubelet:
        return "KubeletWouldEvict"
    return None


def pause(sample: Sample, highest_growth: int, below: Thresholds) -> float:
    """Seconds until the next threshold could be crossed at the highest growth seen, or at a fast one if none was."""
    distance = sample.room - (below.room if sample.room > below.room else below.room // 2)
    if below.kubelet is not None and sample.kubelet_signal is not None:
        distance = min(distance, sample.kubelet_signal - below.kubelet)
    return min(LONGEST_PAUSE, max(SHORTEST_PAUSE, distance / max(highest_growth, FASTEST_EXPECTED)))
