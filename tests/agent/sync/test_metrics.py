"""What Prometheus reads of an agent."""

from typing import Any

from prometheus_client import generate_latest

from oompolicy_agent.sync.metrics import Metrics, ReportCollector

KILLED = {
    "outcome": "Killed",
    "backend": "KernelAssist",
    "mode": "Enforce",
    "milliseconds": {"shortageToSignal": 20.0, "signalToEmpty": 10, "signalToFreed": 60.0},
}
REPORT: dict[str, Any] = {
    "backend": "KernelAssist",
    "mode": "Enforce",
    "kills": 2,
    "kernelKills": 1,
    "kernelKillsDisagreed": 1,
    "ownLimitKills": None,
    "marginBytes": 4096,
    "thresholdBytes": None,
    "targetsMapped": 7,
    "updatedAt": "2026-11-24T01:53:49.000Z",
    "problems": ["a", "b"],
}


def lines(metrics: Metrics) -> list[str]:
    return [line for line in generate_latest(metrics.registry).decode().splitlines() if not line.startswith("#")]


def test_decisions_are_counted_by_what_came_of_them_and_timed() -> None:
    metrics = Metrics()
    for record in (KILLED, KILLED, {"outcome": "NothingEligible"}):
        metrics.published(record)
    found = lines(metrics)
    assert 'oompolicy_agent_decisions_total{backend="KernelAssist",mode="Enforce",outcome="Killed"} 2.0' in found
    assert 'oompolicy_agent_decisions_total{backend="Unknown",mode="Unknown",outcome="NothingEligible"} 1.0' in found
    assert "oompolicy_agent_shortage_to_freed_seconds_count 2.0" in found
    assert 'oompolicy_agent_shortage_to_freed_seconds_bucket{le="0.1"} 2.0' in found
    assert 'oompolicy_agent_shortage_to_freed_seconds_bucket{le="0.05"} 0.0' in found


def test_what_was_not_measured_is_not_timed() -> None:
    metrics = Metrics()
    metrics.published(KILLED | {"milliseconds": {"shortageToSignal": 20.0, "signalToFreed": None}})
    assert "oompolicy_agent_shortage_to_freed_seconds_count 0.0" in lines(metrics)


def test_the_report_is_read_when_somebody_asks() -> None:
    metrics, reports = Metrics(), [REPORT]
    metrics.registry.register(ReportCollector(lambda: reports[0] if reports else None))
    found = lines(metrics)
    assert "oompolicy_agent_kills_total 2.0" in found
    assert "oompolicy_agent_kernel_kills_disagreed_total 1.0" in found
    assert "oompolicy_agent_own_limit_kills_total 0.0" in found
    assert "oompolicy_agent_margin_bytes 4096.0" in found
    assert 'oompolicy_agent_backend{backend="KernelAssist",mode="Enforce"} 1.0' in found
    assert "oompolicy_agent_problems 2.0" in found
    assert "oompolicy_agent_report_timestamp_seconds 1.795485229e+09" in found
    assert not [line for line in found if "threshold" in line]
    reports.clear()
    assert not [line for line in lines(metrics) if "kills" in line]


def test_what_sync_knows_itself_is_there_as_far_as_it_is_known() -> None:
    metrics = Metrics()
    metrics.registry.register(ReportCollector(lambda: REPORT, lambda: {"nodeMemoryBytes": 8192, "budgetLeft": None}))
    found = lines(metrics)
    assert "oompolicy_agent_node_memory_bytes 8192.0" in found
    assert not [line for line in found if "budget" in line]


def test_the_first_decision_is_an_increase() -> None:
    """Prometheus sees none where a series begins at 1."""
    metrics = Metrics()
    metrics.registry.register(ReportCollector(lambda: REPORT, acting=metrics.expect))
    lines(metrics)
    expected = 'oompolicy_agent_decisions_total{backend="KernelAssist",mode="Enforce",outcome="NothingEligible"} 0.0'
    assert expected in lines(metrics)


def test_nothing_is_expected_of_a_guard_that_is_off() -> None:
    metrics = Metrics()
    metrics.registry.register(ReportCollector(lambda: REPORT | {"backend": "Off"}, acting=metrics.expect))
    assert not [line for line in lines(metrics) + lines(metrics) if "decisions" in line]
