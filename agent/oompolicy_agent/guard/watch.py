"""Follows one domain through time: how fast its room shrinks, since when it is short, when to look again. Pure."""

from dataclasses import dataclass, field, replace

from oompolicy_agent.guard.course import Course, Seen
from oompolicy_agent.guard.settings import Limits
from oompolicy_agent.guard.trigger import (
    LONGEST_PAUSE,
    Growth,
    Sample,
    Thresholds,
    Trigger,
    judge,
    pause,
    thresholds,
)

__all__ = ["Shortage", "Watch", "seconds_left"]


@dataclass(frozen=True, slots=True)
class Shortage:
    """A domain in which the guard must act."""

    domain: str
    trigger: Trigger
    sample: Sample
    since: float
    """When it was first measured, by the monotonic clock."""
    steady_growth: int = 0
    """Over the last second, in bytes per second; the trigger's growth may be that of a moment."""
    course: Course = field(default_factory=Course)
    """How it came to this. It goes on while there is a victim on its way out."""


class Watch:
    """One domain."""

    def __init__(self, domain: str, limits: Limits) -> None:
        self.domain = domain
        self.sample: Sample | None = None
        self.below: Thresholds | None = None
        self.limits = limits
        """Those in force; the policy may change them at any time."""
        self._growth = Growth()
        self._course = Course()
        self._growing = 0
        self._since: float | None = None

    @property
    def seconds_left(self) -> float:
        """Until so little is left that nothing else may be waited for, at the present growth."""
        if self.sample is None or self.below is None:
            return float("inf")
        return seconds_left(self.sample.room, self.below.room, self._growing)

    def see(self, sample: Sample, kubelet_hard_eviction: int | None, kill_to_free: float) -> Shortage | None:
        """Takes a measurement in; returns the shortage if there is one."""
        self.sample = sample
        self.below = thresholds(sample.size, kubelet_hard_eviction, self.limits)
        self._growing = self._growth.add(sample)
        stall_percent = min(100, 100 * sample.stall_milliseconds // self.limits.window_milliseconds)
        self._course.add(Seen(sample.time, sample.margin, stall_percent))
        trigger = judge(sample, self._growing, self.below, kill_to_free)
        if trigger is None:
            self._since = None
            return None
        if self._since is None:
            self._since = sample.time
        return Shortage(self.domain, trigger, sample, self._since, self._growth.steady, self._course)

    def restart(self) -> None:
        """A victim has given its memory back: what was measured before says nothing about how fast it is taken now."""
        self._growth.restart()

    def forget(self) -> None:
        """The domain has no limit any more."""
        self.sample = self.below = self._since = None

    @property
    def is_relaxed(self) -> bool:
        """Whether the room is back above the threshold."""
        return self.sample is None or self.below is None or self.sample.room >= self.below.room

    def glance(self, margin: int, kubelet_signal: int | None) -> float | None:
        """Seconds until the next look, if that margin is certainly enough without swap; None: it has to be measured."""
        if self.sample is None or self.below is None or margin <= self.below.room:
            return None
        signal = None if self.sample.kubelet_signal is None else kubelet_signal
        if signal is not None and self.below.kubelet is not None and signal <= self.below.kubelet:
            return None
        seen = replace(self.sample, margin=margin, swap=0, kubelet_signal=signal)
        return pause(seen, self._growth.highest, self.below)

    @property
    def pause(self) -> float:
        """Seconds until the next look that this domain needs."""
        if self.sample is None or self.below is None:
            return LONGEST_PAUSE
        return pause(self.sample, self._growth.highest, self.below)


def seconds_left(room: int, threshold: int, growth: int) -> float:
    """Until only a quarter of the threshold is left; room and threshold in bytes, growth in bytes per second."""
    above = room - threshold // 4
    if above <= 0:
        return 0.0
    return above / growth if growth else float("inf")
