"""The operator's metrics for Prometheus. Policies are a label, nodes and pods never are: there may be thousands.

docs/monitoring.md lists them all.
"""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from oompolicy_api.policy import OOMPolicyStatus

__all__ = ["Metrics", "PolicyCollector"]

_PREFIX = "oompolicy_operator"
_BUCKETS = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60)


class Metrics:
    """What is counted as it happens, in a registry of its own."""

    def __init__(self, version: str = "dev") -> None:
        # else there is a second series for each counter, which nobody reads
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.leading = Gauge(
            f"{_PREFIX}_leading", "1 while this operator holds the cluster's Lease, else 0.", registry=self.registry
        )
        self.work = Histogram(
            f"{_PREFIX}_work_duration_seconds",
            "Time for one piece of work: a policy reconciled, a decision's eviction tried.",
            ["queue", "result"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.evictions = Counter(
            f"{_PREFIX}_evictions_total",
            "Evictions that decisions have asked for, by the reason in their condition Evicted.",
            ["reason"],
            registry=self.registry,
        )
        self.depth = Gauge(
            f"{_PREFIX}_queue_depth", "Names that wait to be worked on, or are.", ["queue"], registry=self.registry
        )
        self.decisions = Gauge(f"{_PREFIX}_decisions", "OOMDecisions that are kept.", registry=self.registry)
        build = Gauge("oompolicy_build_info", "1; the version is a label.", ["version"], registry=self.registry)
        build.labels(version).set(1)

    def timed(self, queue: str) -> Callable[[str, float], None]:
        """Says how long a piece of work of that queue took, and how it ended."""
        return lambda result, seconds: self.work.labels(queue, result).observe(seconds)


class PolicyCollector(Collector):
    """What the policies' statuses say, read when somebody asks, so that no policy that is gone is still counted."""

    def __init__(self, statuses: Callable[[], Iterable[tuple[str, OOMPolicyStatus]]]) -> None:
        self._statuses = statuses

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Two families: nodes by state, conditions by type."""
        nodes = GaugeMetricFamily(
            f"{_PREFIX}_policy_nodes", "A policy's nodes, as its status counts them.", labels=["policy", "state"]
        )
        conditions = GaugeMetricFamily(
            f"{_PREFIX}_policy_condition",
            "1 if a policy's condition is True, 0 if it is False.",
            labels=["policy", "type"],
        )
        for name, status in self._statuses():
            for state, count in (status.nodes.model_dump(by_alias=True) if status.nodes else {}).items():
                nodes.add_metric([name, state], count or 0)
            for each in status.conditions:
                conditions.add_metric([name, each.type], each.status == "True")
        yield nodes
        yield conditions
