"""Watches the domains that can be short, the node and what holds all pods: measures, arms triggers, sees shortages."""

from oompolicy_agent.guard.census import Census
from oompolicy_agent.guard.gauges import NODE, Gauges, Reading
from oompolicy_agent.guard.log import Log
from oompolicy_agent.guard.pressure import Pressure
from oompolicy_agent.guard.settings import Limits, Settings
from oompolicy_agent.guard.watch import Shortage, Watch

__all__ = ["Lookout"]

LONGEST_PAUSE = 1.0


class Lookout:
    """The watches over all domains."""

    def __init__(self, settings: Settings, census: Census, gauges: Gauges, pressure: Pressure, log: Log) -> None:
        self.node = Watch(NODE, settings.limits)
        self.pods: Watch | None = None
        """Over what holds all pods; None while there is no such memcg."""
        self.problems: dict[str, str | None] = {}
        """What is wrong, by domain."""
        self._protected = 0
        """What of MemAvailable could not be had, as of the last whole look."""
        self._settings = settings
        self._limits = settings.limits
        self._census = census
        self._gauges = gauges
        self._pressure = pressure
        self._log = log

    @property
    def is_relaxed(self) -> bool:
        """Whether no domain is below its threshold."""
        return all(watch.is_relaxed for watch in self._watches)

    @property
    def pause(self) -> float:
        """Seconds until the next look."""
        return min(watch.pause for watch in self._watches)

    @property
    def _watches(self) -> list[Watch]:
        return [self.node, self.pods] if self.pods else [self.node]

    def obey(self, limits: Limits) -> None:
        """Goes by other numbers from now on."""
        self._limits = limits
        for watch in self._watches:
            watch.limits = limits

    def adopt_tree(self) -> None:
        """Follows what holds all pods, wherever it is now."""
        top = self._census.top
        if self.pods and (top is None or top.path != self.pods.domain):
            self._pressure.disarm(self.pods.domain)
            self.problems.pop(self.pods.domain, None)
            self.pods = None
        if top and self.pods is None:
            self.pods = Watch(top.path, self._limits)

    def arm(self) -> None:
        """Sees to a pressure trigger for each domain."""
        settings = self._settings
        self._arm(NODE, f"{settings.proc}/pressure/memory")
        if self.pods:
            self._arm(self.pods.domain, f"{settings.cgroup_root}{self.pods.domain}/memory.pressure")

    def glance(self) -> float | None:
        """Seconds until the next look, if a few numbers are enough to say that nothing is short; else None."""
        node, meminfo = self.node, self._gauges.meminfo()
        if node.sample is None:
            return None
        seconds = node.glance(meminfo.available - self._protected, meminfo.kubelet_signal)
        pods = self.pods
        if seconds is None or pods is None:
            return seconds
        limit = self._gauges.limit(pods.domain)
        if limit != (pods.sample.size if pods.sample else None):
            return None
        if pods.sample is None:
            return seconds
        used = self._gauges.used(pods.domain)  # not all of it could stay, so this is less than the margin
        others = None if used is None else pods.glance(pods.sample.size - used, None)
        return None if others is None else min(seconds, others)

    def read(self) -> Reading:
        """Measures all domains now."""
        reading = self._gauges.read(self.pods.domain if self.pods else None, self._census.may_swap)
        self._protected = reading.protected
        return reading

    def see(self, reading: Reading, kubelet_hard_eviction: int | None, kill_to_free: float) -> list[Shortage]:
        """The shortages, the narrower domain first: what the pods' own limit causes is no shortage of the node."""
        seen = [self.node.see(reading.node, kubelet_hard_eviction, kill_to_free)]
        if self.pods and reading.pods:
            seen.insert(0, self.pods.see(reading.pods, None, kill_to_free))
        elif self.pods:
            self.pods.forget()
        return [shortage for shortage in seen if shortage]

    def restart(self) -> None:
        """Measures growth anew, in every domain: a kill in one gives memory to all above it."""
        for watch in self._watches:
            watch.restart()

    def over(self, domain: str) -> Watch:
        """The watch over a domain; over the node for one that is no more."""
        return self.pods if self.pods and self.pods.domain == domain else self.node

    def _arm(self, domain: str, path: str) -> None:
        """Margin and growth lead, so a trigger that cannot be had is a problem and no obstacle."""
        try:
            self._pressure.arm(domain, path)
            self.problems[domain] = None
        except OSError as error:
            problem = f"No pressure trigger on {path}: {error.strerror}"
            if self.problems.get(domain) != problem:
                self._log.warning("Could not create a pressure trigger", path=path, err=error.strerror)
            self.problems[domain] = problem
