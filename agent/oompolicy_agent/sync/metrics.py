"""The agent's metrics for Prometheus: what the guard reports, what sync knows itself, and what was published.

No pod, container or memcg is ever a label: there would be a series for each of them. Only the sync of the guard that
acts on the node has anything to say. docs/monitoring.md lists them all.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    start_http_server,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

__all__ = ["Metrics", "ReportCollector", "serve"]

PREFIX = "oompolicy_agent"
BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
OUTCOMES = ("Killed", "Futile", "GaveUp", "WouldKill", "NothingEligible", "KernelKilled", "Interrupted")
"""Of a decision, as agent/README.md says."""
SINCE = "since its guard started"
COUNTED = {
    "kills": ("kills", f"Units that the guard has killed {SINCE}."),
    "kernelKills": ("kernel_kills", f"Processes that the kernel killed by its own choice {SINCE}."),
    "kernelKillsDisagreed": (
        "kernel_kills_disagreed",
        f"Of all kernel kills, those that the policy would not have made {SINCE}.",
    ),
    "ownLimitKills": ("own_limit_kills", f"Processes that the kernel killed at a pod's own limit {SINCE}."),
}
"""Fields of the report, with the metric's name."""
MEASURED = {
    "marginBytes": ("margin_bytes", "What is left on the node."),
    "thresholdBytes": ("threshold_bytes", "Below it the guard acts; 0 where the kernel asks our program."),
    "targetsMapped": ("targets_mapped", "Pods, containers and host cgroups that were found on the node."),
    "podsWithoutCgroup": ("pods_without_cgroup", "Pods of which the node was told, and which it does not have."),
    "budgetLeft": ("budget_kills_left", "Kills that the policy's budget still allows in its window."),
    "adjustedProcesses": ("adjusted_processes", "Processes whose oom_score_adj is the guard's."),
    "nodeMemoryBytes": ("node_memory_bytes", "Memory of the node, by its capacity."),
    "protectedRequestBytes": ("protected_request_bytes", "Memory requests of the pods that the policy protects."),
    "unpublishedDecisions": ("queue_depth", "Decisions that wait to be published."),
}
"""The same of what may be absent; the last three are not in the report: sync knows them itself."""


class Metrics:
    """What is counted as it happens, in a registry of its own."""

    def __init__(self, version: str = "dev") -> None:
        # else there is a second series for each counter, which nobody reads
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._decisions = Counter(
            f"{PREFIX}_decisions_total",
            "Decisions that were published, by outcome, backend and mode.",
            ["outcome", "backend", "mode"],
            registry=self.registry,
        )
        self._freed = Histogram(
            f"{PREFIX}_shortage_to_freed_seconds",
            "From a shortage until memory was back, of kills that the guard made.",
            buckets=BUCKETS,
            registry=self.registry,
        )
        build = Gauge("oompolicy_build_info", "1; the version is a label.", ["version"], registry=self.registry)
        build.labels(version).set(1)

    def expect(self, backend: str, mode: str) -> None:
        """Begins at 0 with what may be decided there: Prometheus takes no first value for an increase."""
        for outcome in OUTCOMES:
            self._decisions.labels(outcome, backend, mode)

    def published(self, record: Mapping[str, Any]) -> None:
        """Counts one decision; `record` is as agent/README.md says."""
        labels = (str(record.get(name) or "Unknown") for name in ("outcome", "backend", "mode"))
        self._decisions.labels(*labels).inc()
        took = record.get("milliseconds") or {}
        parts = [took.get(name) for name in ("shortageToSignal", "signalToFreed")]
        if record.get("outcome") == "Killed" and None not in parts:
            self._freed.observe(sum(float(part) for part in parts if part is not None) / 1000)


class ReportCollector(Collector):
    """What the guard's report says, read when somebody asks; nothing while there is none.

    Args:
        report: the guard's, or None.
        own: what sync knows itself, by field, as in MEASURED.
        acting: told backend and mode that are in force.
    """

    def __init__(
        self,
        report: Callable[[], Mapping[str, Any] | None],
        own: Callable[[], Mapping[str, int | None]] = dict,
        acting: Callable[[str, str], None] = lambda _backend, _mode: None,
    ) -> None:
        self._report = report
        self._own = own
        self._acting = acting

    def collect(self) -> Iterator[Metric]:
        """A family for each number, and one for the backend in force."""
        found = self._report()
        if found is None:
            return
        report = {**found, **self._own()}
        for field, (name, says) in COUNTED.items():
            yield CounterMetricFamily(f"{PREFIX}_{name}", says, value=report.get(field) or 0)
        for field, (name, says) in MEASURED.items():
            if (value := report.get(field)) is not None:
                yield GaugeMetricFamily(f"{PREFIX}_{name}", says, value=value)
        yield self._backend(report)
        problems = len(report.get("problems") or ())
        yield GaugeMetricFamily(f"{PREFIX}_problems", "Problems that the guard names.", value=problems)
        if written := report.get("updatedAt"):
            at = datetime.fromisoformat(written).timestamp()
            says = "When the guard wrote its report: every ten seconds, whatever happens."
            yield GaugeMetricFamily(f"{PREFIX}_report_timestamp_seconds", says, value=at)

    def _backend(self, report: Mapping[str, Any]) -> GaugeMetricFamily:
        found = GaugeMetricFamily(
            f"{PREFIX}_backend", "1 for the backend in force under a mode.", labels=["backend", "mode"]
        )
        backend, mode = (str(report.get(name) or "Off") for name in ("backend", "mode"))
        if backend != "Off":
            self._acting(backend, mode)
        found.add_metric([backend, mode], 1)
        return found


def serve(port: int, registry: CollectorRegistry) -> None:
    """Answers `/metrics` on all addresses, from a thread, until the process ends; raises OSError. 0: nowhere."""
    if not port:
        return
    try:
        start_http_server(port, "::", registry)
    except OSError:  # a host without IPv6
        start_http_server(port, "0.0.0.0", registry)  # noqa: S104 - Prometheus comes from elsewhere
