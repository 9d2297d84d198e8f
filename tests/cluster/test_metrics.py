"""A real Prometheus asks the real operator and a real sync: each query of dashboard and alerts has an answer."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from chart import rendered
from lab.control_plane import ControlPlane
from lab.daemon import free_port
from lab.prometheus import Prometheus
from monitoring import RULES, alerts, metrics_in, queries, report
from operating.agent import Agent
from operating.given import PATIENCE
from operating.process import Operator

pytestmark = pytest.mark.cluster

SHOP = "monitored-shop"
MOST_SERIES = 60
"""Of one agent under one policy, whatever happens on its node."""
DECISIONS = ("Killed", "Futile", "NothingEligible")


@pytest.fixture(scope="module")
def agent(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    """For a node of 8 GiB on which a policy protects a pod that requests 2."""
    agent = Agent(control_plane, SHOP, tmp_path_factory.mktemp("agent"))
    with ExitStack() as stack:
        for what in (f"namespace/{SHOP}", *(f"{kind}/{agent.node}" for kind in ("node", "oomp", "oomnode"))):
            stack.callback(control_plane.kubectl, "delete", what, "--wait=false", "--ignore-not-found")
        control_plane.kubectl("create", "namespace", SHOP)
        control_plane.kubectl("-n", SHOP, "wait", "--for=create", "serviceaccount/default", PATIENCE)
        for manifest in _node_with_a_policy(agent.node):
            control_plane.apply(json.dumps(manifest))
        capacity = json.dumps({"status": {"capacity": {"memory": "8Gi"}}})
        control_plane.kubectl("patch", "node", agent.node, "--subresource=status", "-p", capacity)
        yield agent


def _node_with_a_policy(node: str) -> Iterator[dict[str, Any]]:
    labels = {"monitored": node, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
    yield {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node, "labels": labels}}
    match = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": SHOP}}}
    rule = {"name": "shop", "match": match, "protect": {"upTo": "Request"}}
    spec = {"nodeSelector": {"matchLabels": {"monitored": node}}, "precedence": 2000, "rules": [rule]}
    yield {"apiVersion": "oompolicy.dev/v1alpha1", "kind": "OOMPolicy", "metadata": {"name": node}, "spec": spec}
    container = {"name": "main", "image": "any", "resources": {"requests": {"memory": "2Gi"}}}
    pod = {"nodeName": node, "tolerations": [{"operator": "Exists"}], "containers": [container]}
    yield {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "db", "namespace": SHOP}, "spec": pod}


@pytest.fixture(scope="module")
def prometheus(operator: Operator, agent: Agent, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """It has seen a node with nothing to tell, and then some decisions and kills of the kernel's."""
    port = free_port()
    agent.report(**_report(kills=0, kernelKills=0, kernelKillsDisagreed=0))
    agent.start(f"--metrics-port={port}")
    try:
        targets = {operator.address: {}, f"127.0.0.1:{port}": {_label_of_a_node(): agent.node}}
        with Prometheus(tmp_path_factory.mktemp("prometheus"), targets, RULES) as running:
            running.wait_until("no decision yet", lambda: running.query("oompolicy_agent_decisions_total == 0"))
            agent.report(**_report(kills=2, kernelKills=1, kernelKillsDisagreed=1))
            for number, outcome in enumerate(DECISIONS):
                took = {"shortageToSignal": 12.5, "signalToEmpty": 31.0, "signalToFreed": 48.2}
                more = {"mode": "Enforce", "backend": "KernelAssist", "milliseconds": took}
                agent.decide(f"20261124T015349.123Z-000{number}", "db", "uid", outcome, **more)
            published = "sum(oompolicy_agent_decisions_total)"
            running.wait_until("decisions", lambda: _value(running, published) == len(DECISIONS))
            yield running
    finally:
        agent.stop()


def _report(**counted: int) -> dict[str, Any]:
    mine = {"podUid", "policy", "lastDecision"}
    return {name: value for name, value in report().items() if name not in mine} | counted


def _label_of_a_node() -> str:
    """The label that the chart's PodMonitor has Prometheus give to the agents."""
    found = [each for each in rendered("podMonitor.enabled=true") if each["kind"] == "PodMonitor"]
    (agents,) = [each for each in found if each["metadata"]["name"] == "oompolicy-agents"]
    (relabeling,) = agents["spec"]["podMetricsEndpoints"][0]["relabelings"]
    return str(relabeling["targetLabel"])


def _value(prometheus: Prometheus, expression: str) -> float | None:
    found = prometheus.query(expression)
    return float(found[0]["value"][1]) if found else None


@pytest.mark.parametrize("name", queries())
def test_each_query_of_the_dashboard_has_an_answer(prometheus: Prometheus, name: str) -> None:
    assert prometheus.query(queries()[name])


def test_the_dashboard_offers_the_nodes_that_there_are(prometheus: Prometheus, agent: Agent) -> None:
    assert prometheus.ask("label/node/values", **{"match[]": "oompolicy_agent_margin_bytes"}) == [agent.node]


@pytest.mark.parametrize("name", alerts())
def test_each_alert_can_be_evaluated_and_its_metrics_are_there(prometheus: Prometheus, name: str) -> None:
    expression = alerts()[name]["expr"]
    prometheus.query(expression)
    for metric in metrics_in(expression):
        assert prometheus.query(metric)


@pytest.mark.parametrize("name", ["OOMPolicyKernelKillDisagreed", "OOMPolicyNothingEligible"])
def test_what_has_happened_raises_its_alert(prometheus: Prometheus, agent: Agent, name: str) -> None:
    firing = f'ALERTS{{alertname="{name}", alertstate="firing", node="{agent.node}"}}'
    prometheus.wait_until("the alert fires", lambda: prometheus.query(firing))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param(
            "oompolicy_agent_protected_request_bytes / oompolicy_agent_node_memory_bytes", 0.25, id="protected"
        ),
        pytest.param("oompolicy_agent_queue_depth", 0, id="nothing-waits"),
        pytest.param("oompolicy_agent_shortage_to_freed_seconds_sum", 0.0607, id="shortage-to-freed"),
        pytest.param("oompolicy_agent_budget_kills_left", 8, id="budget"),
        pytest.param("oompolicy_operator_leading", 1, id="leading"),
    ],
)
def test_the_numbers_are_those_of_the_cluster(prometheus: Prometheus, expression: str, expected: float) -> None:
    prometheus.wait_until(expression, lambda: _value(prometheus, expression) == pytest.approx(expected))


def test_an_agent_has_few_series_and_none_for_a_pod(prometheus: Prometheus, agent: Agent) -> None:
    found = prometheus.query(f'{{node="{agent.node}", __name__=~"oompolicy_.+"}}')
    assert 30 < len(found) <= MOST_SERIES
    assert not {"pod", "container", "uid"} & {label for one in found for label in one["metric"]}
