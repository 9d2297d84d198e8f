"""The targets file is taken for hostile: what is wrong is refused by name, what is new protects."""

import json
from typing import Any

import pytest

from oompolicy_agent.guard.fields import FieldError
from oompolicy_agent.guard.targets import ContainerTarget, Policy
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


def test_reads_how_a_pod_is_to_be_killed() -> None:
    targets = parse(pod(unit="Process", graceMilliseconds=3000, restartPolicy="Always"))
    db = targets.pods["0b9c7a1e"]
    assert (db.unit, db.grace_milliseconds, db.restarts_always) == ("Process", 3000, True)


@pytest.mark.parametrize(("terminating", "expected"), [(True, True), (False, False), (None, False)])
def test_reads_whether_a_pod_has_been_deleted(terminating: bool | None, *, expected: bool) -> None:
    assert parse(pod(terminating=terminating)).pods["0b9c7a1e"].is_terminating is expected


@pytest.mark.parametrize(("then", "expected"), [("Evict", True), ("Restart", False), ("Rest", False), (None, False)])
def test_reads_whether_a_kill_is_followed_by_an_eviction(then: str | None, *, expected: bool) -> None:
    assert parse(pod(then=then)).pods["0b9c7a1e"].is_evicted is expected


def test_reads_what_a_policy_in_mode_audit_would_have_had() -> None:
    hosts = [{"path": "/x/y", "priority": 3}]
    audit = {
        "policy": POLICY | {"name": "trial", "mode": "Audit"},
        "pods": [POD | {"priority": 1}],
        "hostCgroups": hosts,
    }
    targets = parse(document(audit=audit, hostCgroups=[{"path": "/x", "priority": 2}]))
    assert targets.audit
    assert targets.audit.policy
    assert (targets.audit.policy.name, targets.audit.pods["0b9c7a1e"].priority) == ("trial", 1)
    assert targets.pods["0b9c7a1e"].priority == 900
    assert targets.host_paths == {"/x", "/x/y"}


@pytest.mark.parametrize(
    "audit", [pytest.param({}, id="no-policy"), pytest.param({"policy": POLICY}, id="one-that-enforces")]
)
def test_nothing_but_a_policy_in_mode_audit_may_stand_beside_another(audit: object) -> None:
    with pytest.raises(FieldError, match=r"audit\.policy\.mode: expected Audit"):
        parse(document(audit=audit))


@pytest.mark.parametrize("policy", ["Never", "OnFailure", "SomethingNew", None])
def test_only_the_restart_policy_always_starts_a_pod_again_that_ended_well(policy: str | None) -> None:
    assert not parse(pod(restartPolicy=policy)).pods["0b9c7a1e"].restarts_always


def test_a_policy_needs_no_more_than_a_name_and_a_mode() -> None:
    policy = parse(document(policy={"name": "host", "mode": "Enforce"})).policy
    assert policy == Policy("host", "", 0, "Enforce")


def test_a_newer_format_is_refused_with_advice() -> None:
    with pytest.raises(FieldError, match=r"^formatVersion: expected 1, found 2; .*update this guard"):
        parse(document(formatVersion=2))


def test_no_policy_is_an_answer() -> None:
    assert parse(document(policy=None)).policy is None


@pytest.mark.parametrize(
    ("content", "name"),
    [
        pytest.param(document(future={"deep": [1]}), "future", id="root"),
        pytest.param(document(policy=POLICY | {"future": 1}), "policy.future", id="policy"),
        pytest.param(document(policy=POLICY | {"trigger": {"future": 1}}), "policy.trigger.future", id="trigger"),
        pytest.param(document(policy=POLICY | {"budget": {"future": 1}}), "policy.budget.future", id="budget"),
        pytest.param(document(pods=[POD | {"future": 1}, POD | {"uid": "2", "future": 2}]), "pods[].future", id="pods"),
        pytest.param(container(future=None), "pods[].containers[].future", id="container"),
    ],
)
def test_ignores_a_field_of_a_newer_sync_and_names_it_once(content: bytes, name: str) -> None:
    targets = parse(content)
    assert targets.unknown_fields == (name,)
    assert targets.problems == ()
    assert (targets.policy, targets.pods["0b9c7a1e"]) == (parse(document()).policy, parse(document()).pods["0b9c7a1e"])


def test_names_a_bounded_number_of_unknown_fields() -> None:
    targets = parse(document(**{f"future{number:03}": number for number in range(100)}))
    assert targets.unknown_fields == (*(f"future{number:03}" for number in range(16)), "...")


def test_reports_a_bounded_number_of_problems() -> None:
    targets = parse(document(pods=[POD | {"uid": f"{number}", "unit": "Node"} for number in range(100)]))
    assert len(targets.problems) == 17
    assert targets.problems[-1] == "84 more values are not known to this version"


def test_an_unknown_field_is_named_in_printable_characters_and_not_in_full() -> None:
    (name,) = parse(document(**{"a\n\ud800" + "b" * 1000: 1})).unknown_fields
    assert name == r"a\n\ud800" + "b" * 55


@pytest.mark.parametrize(
    ("content", "field"),
    [
        pytest.param(b"", "targets", id="empty"),
        pytest.param(b"{", "targets", id="cut-short"),
        pytest.param(b"\xff\xfe{}", "targets", id="not-utf-8"),
        pytest.param(b"[" * 200_000, "targets", id="nested-too-deeply"),
        pytest.param(b"[]", "targets", id="not-an-object"),
        pytest.param(b'{"formatVersion":1,"pods":[' + b"[]," * 200_000 + b"[]]}", "targets", id="too-many-values"),
        pytest.param(document(formatVersion=0), "formatVersion", id="no-such-format"),
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
        pytest.param(pod(graceMilliseconds=120_001), "pods[0].graceMilliseconds", id="grace-too-long"),
        pytest.param(pod(restartPolicy=1), "pods[0].restartPolicy", id="restart-policy-a-number"),
        pytest.param(pod(terminating="yes"), "pods[0].terminating", id="terminating-a-word"),
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
        pytest.param({"unit": "Node"}, "unit", id="unit"),
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
