"""Decisions on a real control plane: who may write them, and what the operator does about them.

There is no kubelet: an evicted pod is one that has been marked for deletion.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from lab.control_plane import ControlPlane, KubectlError
from lab.daemon import wait_for
from oompolicy_agent.sync.decisions import decision_for
from operating.given import PATIENCE, Given
from operating.process import NAMESPACE, Operator, installed_operator

pytestmark = pytest.mark.cluster

PATIENCE_SECONDS = 90.0
KEEP = 3


@pytest.fixture(scope="module")
def operator(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """An operator that keeps few decisions."""
    with installed_operator(
        control_plane, tmp_path_factory.mktemp("operator"), f"--set=decisions.keep={KEEP}"
    ) as running:
        yield running


@pytest.fixture
def given(operator: Operator, tmp_path: Path) -> Iterator[Given]:
    """A node of the test's own, named `node`."""
    name = f"t{uuid4().hex[:8]}"
    made = Given(operator.control_plane, name, tmp_path)
    made.node()
    yield made
    made.kubectl("-n", NAMESPACE, "delete", "oomdecisions", "--all")
    made.kubectl("delete", "nodes", "-l", f"pool={name}")


@pytest.fixture
def victim(given: Given, namespace: str) -> dict[str, Any]:
    """A pod on the test's node, as kubelet would have it while it runs."""
    container = {"name": "main", "image": "pause"}
    metadata = {"name": "batch", "namespace": namespace, "labels": {"app": "batch"}}
    spec = {"nodeName": given.name, "containers": [container], "terminationGracePeriodSeconds": 600}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    given.kubectl("create", "-f", "-", input=json.dumps(pod))
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    patch = ("--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))
    given.kubectl("-n", namespace, "patch", "pod", "batch", *patch)
    found: dict[str, Any] = json.loads(given.kubectl("-n", namespace, "get", "pod", "batch", "-o", "json"))
    return found


def record(number: int = 1, *, minutes_ago: float = 0, **more: object) -> dict[str, Any]:
    """A record of the journal."""
    time = (datetime.now(UTC) - timedelta(minutes=minutes_ago)).isoformat()
    return {"id": f"d-{number}", "time": time, "domain": "/", "mode": "Enforce", "outcome": "Killed"} | more


def of(pod: dict[str, Any]) -> dict[str, Any]:
    """A victim for a record."""
    meta = pod["metadata"]
    return {"path": "/kubepods/c", "namespace": meta["namespace"], "pod": meta["name"], "podUid": meta["uid"]}


def publish(given: Given, content: dict[str, Any], node: str = "") -> str:
    """Creates the decision as the agent of the test's node would; returns its name."""
    body = decision_for(content, node or given.name, NAMESPACE)
    given.kubectl(f"--kubeconfig={given.agent_kubeconfig(given.name)}", "create", "-f", "-", input=json.dumps(body))
    return str(body["metadata"]["name"])


def reason(given: Given, decision: str, expected: str) -> None:
    """Waits until the decision's condition has this reason."""
    path = "jsonpath={.status.conditions[?(@.type=='Evicted')].reason}"
    given.kubectl("-n", NAMESPACE, "wait", f"--for={path}={expected}", f"oomd/{decision}", PATIENCE)


def test_an_agent_writes_decisions_of_its_own_node_and_nothing_else(given: Given) -> None:
    name = publish(given, record())
    with pytest.raises(KubectlError, match=f'its own node: expected spec.node "{given.name}"'):
        publish(given, record(2), node="another")
    as_agent = f"--kubeconfig={given.agent_kubeconfig(given.name)}"
    for action in (("delete", "oomd", name), ("label", "oomd", name, "a=b")):
        with pytest.raises(KubectlError, match="forbidden"):
            given.kubectl(as_agent, "-n", NAMESPACE, *action)


def test_an_agent_that_was_given_every_right_still_touches_no_decision_again(given: Given, tmp_path: Path) -> None:
    """Neither its own nor another node's; the operator alone sweeps them."""
    other = Given(given.control_plane, f"{given.name}-b", tmp_path)
    other.node()
    foreign = publish(other, record(2), node=other.name)
    status = ("--subresource=status", "--type=merge", "-p", '{"status": {"conditions": []}}')
    try:
        with given.agent_with_every_right() as as_agent:
            for name in (publish(given, record()), foreign):
                for action in (
                    ("delete", "oomd", name),
                    ("label", "oomd", name, "a=b"),
                    ("patch", "oomd", name, *status),
                ):
                    with pytest.raises(KubectlError, match="an agent may only create decisions of its own node"):
                        given.kubectl(as_agent, "-n", NAMESPACE, *action)
    finally:
        given.kubectl("delete", "node", other.name)


def test_nobody_changes_a_decision(given: Given) -> None:
    name = publish(given, record())
    with pytest.raises(KubectlError, match="a decision is a record and must not change"):
        given.kubectl("-n", NAMESPACE, "patch", "oomd", name, "--type=merge", "-p", '{"spec": {"outcome": "Futile"}}')


def test_columns_answer_at_a_glance(given: Given, victim: dict[str, Any]) -> None:
    publish(given, record(victim=of(victim) | {"priority": 10}, policy={"name": "mixed", "uid": "u", "generation": 1}))
    head, row = given.kubectl("-n", NAMESPACE, "get", "oomd").splitlines()
    assert head.split() == ["NAME", "NODE", "OUTCOME", "NAMESPACE", "VICTIM", "PRIORITY", "POLICY", "AGE"]
    assert row.split()[1:7] == [given.name, "Killed", victim["metadata"]["namespace"], "batch", "10", "mixed"]


def test_a_pod_whose_decision_asks_for_it_is_evicted(given: Given, victim: dict[str, Any], namespace: str) -> None:
    name = publish(given, record(victim=of(victim), evict=True))
    reason(given, name, "Evicted")
    assert given.kubectl("-n", namespace, "get", "pod", "batch", "-o", "jsonpath={.metadata.deletionTimestamp}")


def test_a_pod_is_left_alone_where_nobody_asks_for_it(given: Given, victim: dict[str, Any], namespace: str) -> None:
    publish(given, record(1, victim=of(victim)))
    reason(given, publish(given, record(2, victim=of(victim) | {"pod": "other"}, evict=True)), "PodGone")
    assert not given.kubectl("-n", namespace, "get", "pod", "batch", "-o", "jsonpath={.metadata.deletionTimestamp}")


def test_a_disruption_budget_is_respected_and_the_refusal_reported(
    given: Given, victim: dict[str, Any], namespace: str
) -> None:
    given.kubectl("-n", namespace, "create", "pdb", "all", "--selector=app=batch", "--min-available=1")
    given.kubectl("-n", namespace, "wait", "--for=jsonpath={.status.currentHealthy}=1", "pdb/all", PATIENCE)
    name = publish(given, record(victim=of(victim), evict=True))
    reason(given, name, "DisruptionBudget")
    said = given.kubectl("-n", NAMESPACE, "get", "oomd", name, "-o", "jsonpath={.status.conditions[0].message}")
    assert "disruption budget" in said
    given.kubectl("-n", namespace, "delete", "pdb", "all")
    reason(given, name, "Evicted")


def test_another_pod_of_the_same_name_is_not_evicted(given: Given, victim: dict[str, Any], namespace: str) -> None:
    name = publish(given, record(victim=of(victim) | {"podUid": "of-the-one-before"}, evict=True))
    reason(given, name, "PodGone")
    assert not given.kubectl("-n", namespace, "get", "pod", "batch", "-o", "jsonpath={.metadata.deletionTimestamp}")


def test_a_pod_on_another_node_is_not_evicted_whatever_an_agent_says(
    given: Given, victim: dict[str, Any], tmp_path: Path
) -> None:
    other = Given(given.control_plane, f"{given.name}-b", tmp_path)
    other.node()
    try:
        name = publish(other, record(victim=of(victim), evict=True))
        reason(given, name, "Refused")
    finally:
        given.kubectl("delete", "node", other.name)


def test_old_decisions_go_the_oldest_first(given: Given, operator: Operator) -> None:
    for number in range(KEEP + 2):
        publish(given, record(number, minutes_ago=number))
    operator.stop()
    operator.start()  # it sweeps at its start, and then once a minute
    names = ("-n", NAMESPACE, "get", "oomd", "-o", "jsonpath={.items[*].spec.id}")
    assert operator.process
    wait_for(
        "the oldest are gone",
        lambda: len(given.kubectl(*names).split()) == KEEP,
        daemon=operator.process,
        patience_seconds=PATIENCE_SECONDS,
    )
    assert sorted(given.kubectl(*names).split()) == [f"d-{number}" for number in range(KEEP)]
