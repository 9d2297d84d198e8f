"""The targets file is taken for hostile: what is wrong is refused by name, what is new protects."""

import json
from typing import Any

import pytest

from oompolicy_agent.guard.fields import FieldError
from oompolicy_agent.guard.targets import ContainerTarget
from oompolicy_agent.guard.targets_json import parse
from oompolicy_agent.model import TieBreak

POLICY: dict[str, Any] = {"name": "mixed", "uid": "6f1c", "generation": 3, "mode": "Enforce", "defaultPriority": 7}
POD: dict[str, Any] = {
    "uid": "0b9c7a1e",
    "namespace": "shop",
    "name": "shop-db-0",
    "priority": 900,
    "protect": None,
    "unit": "Container",
    "rule": "databases",
    "source": "Rule",
    "requestBytes": 1024,
    "guaranteed": False,
    "containers": [{"name": "db", "id": "3c41", "priority": None, "requestBytes": 512}],
}


def document(policy: object = POLICY, pods: object = (POD,), **root: object) -> bytes:
    return json.dumps({"formatVersion": 1, "policy": policy, "pods": pods} | root).encode()


def pod(**changes: object) -> bytes:
    return document(pods=[POD | changes])


def container(**changes: object) -> bytes:
    return pod(containers=[POD["containers"][0] | changes])


def test_reads_what_sync_writes() -> None:
    targets = parse(document(kubeletHardEvictionBytes=104857600))
    assert targets.policy
    assert (targets.policy.name, targets.policy.mode, targets.policy.default_priority) == ("mixed", "Enforce", 7)
    db = targets.pods["0b9c7a1e"]
    assert (db.namespace, db.name, db.priority, db.rule, db.request_bytes) == (
        "shop",
        "shop-db-0",
        900,
        "databases",
        1024,
    )
    assert db.containers == {"3c41": ContainerTarget("db", "3c41", None, 512)}
    assert targets.kubelet_hard_eviction_bytes == 104857600
    assert targets.problems == ()


def test_no_policy_is_an_answer() -> None:
    assert parse(document(policy=None)).policy is None


def test_ignores_fields_of_a_newer_sync() -> None:
    assert parse(document(newField={"deep": [1]})) == parse(document())
    assert parse(pod(newField=1)) == parse(document())


@pytest.mark.parametrize(
    ("content", "field"),
    [
        pytest.param(b"", "targets", id="empty"),
        pytest.param(b"{", "targets", id="cut-short"),
        pytest.param(b"\xff\xfe{}", "targets", id="not-utf-8"),
        pytest.param(b"[" * 200_000, "targets", id="nested-too-deeply"),
        pytest.param(b"[]", "targets", id="not-an-object"),
        pytest.param(document(formatVersion=2), "formatVersion", id="newer-format"),
        pytest.param(document(formatVersion=True), "formatVersion", id="version-true"),
        pytest.param(document(policy="mixed"), "policy", id="policy-a-string"),
        pytest.param(document(policy=POLICY | {"mode": None}), "policy.mode", id="no-mode"),
        pytest.param(document(policy=POLICY | {"generation": -1}), "policy.generation", id="negative-generation"),
        pytest.param(document(policy=POLICY | {"defaultPriority": 2**31}), "policy.defaultPriority", id="not-int32"),
        pytest.param(document(pods={}), "pods", id="pods-an-object"),
        pytest.param(document(pods=[POD] * 5000), "pods", id="too-many-pods"),
        pytest.param(document(pods=[POD, POD]), "pods[1].uid", id="a-pod-twice"),
        pytest.param(document(pods=["x"]), "pods[0]", id="pod-a-string"),
        pytest.param(pod(uid="../../x"), "pods[0].uid", id="uid-climbs-the-tree"),
        pytest.param(pod(uid=".."), "pods[0].uid", id="uid-dots"),
        pytest.param(pod(uid=""), "pods[0].uid", id="uid-empty"),
        pytest.param(pod(name="a\nb"), "pods[0].name", id="name-with-a-newline"),
        pytest.param(pod(name="a" * 254), "pods[0].name", id="name-too-long"),
        pytest.param(pod(priority=True), "pods[0].priority", id="priority-true"),
        pytest.param(pod(priority=1.5), "pods[0].priority", id="priority-a-fraction"),
        pytest.param(pod(priority=-(2**31) - 1), "pods[0].priority", id="priority-below-int32"),
        pytest.param(pod(priority=None), "pods[0]", id="neither-priority-nor-protect"),
        pytest.param(pod(protect="Always"), "pods[0]", id="both-priority-and-protect"),
        pytest.param(pod(protect=True, priority=None), "pods[0].protect", id="protect-true"),
        pytest.param(pod(requestBytes=-1), "pods[0].requestBytes", id="negative-request"),
        pytest.param(pod(containers={}), "pods[0].containers", id="containers-an-object"),
        pytest.param(container(id="a/b"), "pods[0].containers[0].id", id="container-id-a-path"),
        pytest.param(container(priority="9"), "pods[0].containers[0].priority", id="container-priority-a-string"),
        pytest.param(document(kubeletHardEvictionBytes="100Mi"), "kubeletHardEvictionBytes", id="a-quantity"),
    ],
)
def test_refuses_and_names_the_field(content: bytes, field: str) -> None:
    with pytest.raises(FieldError, match=r"expected .*, found") as refused:
        parse(content)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        pytest.param({"priority": None, "protect": "Sometimes"}, "protect", id="protection"),
        pytest.param({"unit": "Process"}, "unit", id="unit"),
    ],
)
def test_a_value_it_does_not_know_protects_the_pod_and_is_reported(changes: dict[str, object], named: str) -> None:
    targets = parse(pod(**changes))
    assert targets.pods["0b9c7a1e"].protect == "Always"
    assert targets.pods["0b9c7a1e"].priority is None
    (problem,) = targets.problems
    assert named in problem
    assert "shop-db-0" in problem


def test_a_mode_it_does_not_know_kills_nobody_and_is_reported() -> None:
    targets = parse(document(policy=POLICY | {"mode": "EnforceHarder"}))
    assert targets.policy
    assert targets.policy.mode == "Off"
    assert "EnforceHarder" in targets.problems[0]


def test_a_tie_break_it_does_not_know_is_reported() -> None:
    targets = parse(document(policy=POLICY | {"tieBreak": "Oldest"}))
    assert targets.policy
    assert targets.policy.tie_break is TieBreak.LARGEST_USAGE
    assert "Oldest" in targets.problems[0]
