"""What monitoring consists of, as its tests look at it: metrics, the chart's alerts and dashboard, and their page."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from prometheus_client import CollectorRegistry

from chart import CHART
from oompolicy_agent.sync.metrics import Metrics as AgentMetrics
from oompolicy_agent.sync.metrics import ReportCollector
from oompolicy_api.conditions import Condition
from oompolicy_api.policy import NodeCounts, OOMPolicyStatus
from oompolicy_operator.metrics import Metrics as OperatorMetrics
from oompolicy_operator.metrics import PolicyCollector

__all__ = ["DASHBOARD", "OWN_NUMBERS", "RULES", "Described", "agents", "alerts", "described", "metrics_in", "operators"]
__all__ += ["queries", "report"]

ROOT = Path(__file__).parents[2]
RULES = CHART / "files" / "rules.yaml"
DASHBOARD = CHART / "files" / "dashboard.json"
OWN_NUMBERS = {"nodeMemoryBytes": 8 << 30, "protectedRequestBytes": 1 << 30, "unpublishedDecisions": 2}
VARIABLES = {"$node": ".*", "$__rate_interval": "1m", "$__range": "1h"}
"""Grafana's and the dashboard's own, as they are when somebody opens it."""


class Described(NamedTuple):
    """One metric, as docs/monitoring.md has it in a row."""

    name: str
    type: str
    labels: tuple[str, ...]


def report() -> dict[str, Any]:
    """The guard's report in agent/README.md."""
    text = (ROOT / "agent" / "README.md").read_text()
    (found,) = re.findall(r"^### guard-status.json\n\n```json\n(.*?)```", text, re.DOTALL | re.MULTILINE)
    return dict(json.loads(found))


def agents() -> CollectorRegistry:
    """All that an agent says once everything has happened."""
    metrics = AgentMetrics()
    metrics.registry.register(ReportCollector(report, lambda: OWN_NUMBERS, metrics.expect))
    metrics.expect("KernelAssist", "Enforce")
    return metrics.registry


def operators() -> CollectorRegistry:
    """All that the operator says once everything has happened."""
    metrics = OperatorMetrics()
    metrics.timed("policy")("Done", 0.1)
    metrics.depth.labels("policy").set(0)
    metrics.evictions.labels("Evicted").inc()
    ready = Condition(type="Ready", status="True", reason="Ready", message="", last_transition_time=datetime.now(UTC))
    status = OOMPolicyStatus(nodes=NodeCounts(), conditions=(ready,))
    metrics.registry.register(PolicyCollector(lambda: [("mixed", status)]))
    return metrics.registry


def described(registry: CollectorRegistry) -> Iterator[Described]:
    """Each metric in it."""
    for family in registry.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = dict.fromkeys(label for sample in family.samples for label in sample.labels if label != "le")
        yield Described(name, family.type, tuple(labels))


def alerts() -> dict[str, dict[str, Any]]:
    """The chart's alerts by name."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def queries() -> dict[str, str]:
    """The dashboard's, by panel, as Prometheus takes them."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    found = {f"{panel['title']} {one['refId']}": one["expr"] for panel in panels for one in panel["targets"]}
    return {name: _filled(expression) for name, expression in found.items()}


def _filled(expression: str) -> str:
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return expression


def metrics_in(expression: str) -> set[str]:
    """The metrics that a PromQL expression names; of a histogram the histogram itself."""
    return {re.sub(r"_bucket$", "", name) for name in re.findall(r"\boompolicy_\w+", expression)}
