"""What the API server itself says about policies: bad ones are refused by field, good ones get their defaults."""

import json
import re
from typing import Any

import pytest

from demo.installation import manifest
from lab.control_plane import ControlPlane, KubectlError
from operating.policies import FULL, Spec, policy

pytestmark = pytest.mark.cluster


def rule(**fields: Any) -> Spec:  # noqa: ANN401 - a bad rule may hold anything
    return {"rules": [{"name": "a", "match": {}} | fields]}


def requirement(**fields: Any) -> Spec:  # noqa: ANN401 - a bad requirement may hold anything
    return {"nodeSelector": {"matchExpressions": [{"key": "pool"} | fields]}}


def trigger(**fields: Any) -> Spec:  # noqa: ANN401 - a bad trigger may hold anything
    return {"trigger": fields}


def host(path: str) -> Spec:
    return {"hostCgroups": [{"path": path, "priority": 1}]}


def agent(**fields: Any) -> Spec:  # noqa: ANN401 - bad pods may hold anything
    return {"agent": fields}


THRESHOLD = r"spec\.trigger\.memoryAvailable: .*must be a quantity from 1Mi to 1Ti, or a percentage from 1% to 50%"
SURGE = r"spec\.agent\.updateStrategy\.maxSurge: .*must be a number from 1 to 99999, or a percentage"
HOST = r"spec\.hostCgroups\[0\]\.path: .*"
BY_LABEL: Spec = {"namespaceSelector": {"matchLabels": {"a": "b"}}}
CLAMPED: Spec = {"source": "PodPriority", "minimum": 0, "maximum": 1}

ONE_OF = r"spec\.rules\[0\]: .*must set exactly one of `priority`, `priorityFrom` and `protect`"

REFUSED = [
    pytest.param(rule(match=BY_LABEL, priority=1, protect={"upTo": "Always"}), ONE_OF, id="priority-and-protect"),
    pytest.param(rule(priority=1, priorityFrom=CLAMPED), ONE_OF, id="priority-and-priorityFrom"),
    pytest.param(rule(), ONE_OF, id="rule-that-says-nothing"),
    pytest.param(
        {"rules": [{"name": "a", "priority": 1}]}, r"spec\.rules\[0\]\.match: Required", id="rule-without-match"
    ),
    pytest.param(
        {"rules": [{"match": {}, "priority": 1}]}, r"spec\.rules\[0\]\.name: Required", id="rule-without-name"
    ),
    pytest.param(
        {"rules": [{"name": "a", "match": {}, "priority": 1}, {"name": "a", "match": {}, "priority": 2}]},
        r"spec\.rules\[1\]: Duplicate value",
        id="two-rules-of-one-name",
    ),
    pytest.param(rule(name="Data Base", priority=1), r"spec\.rules\[0\]\.name: Invalid", id="rule-name-is-no-label"),
    pytest.param(rule(name="a" * 64, priority=1), r"spec\.rules\[0\]\.name: Too long", id="rule-name-too-long"),
    pytest.param(
        rule(protect={"upTo": "Always"}),
        r"spec\.rules\[0\]\.match: .*must have a `namespaceSelector`",
        id="protect-by-pod-labels-alone",
    ),
    pytest.param(
        rule(match=BY_LABEL, protect={"upTo": "Limit"}),
        r"spec\.rules\[0\]\.protect\.upTo: Unsupported value.*Always.*Request",
        id="protect-up-to-what",
    ),
    pytest.param(
        rule(match=BY_LABEL, protect={}), r"spec\.rules\[0\]\.protect\.upTo: Required", id="protect-says-nothing"
    ),
    pytest.param(
        rule(priorityFrom=CLAMPED | {"minimum": 2}),
        r"spec\.rules\[0\]\.priorityFrom\.minimum: .*must not be greater than `maximum`",
        id="minimum-above-maximum",
    ),
    pytest.param(
        rule(priorityFrom={"source": "PodPriority"}),
        r"spec\.rules\[0\]\.priorityFrom\.maximum: Required",
        id="priority-from-without-bounds",
    ),
    pytest.param(
        rule(priorityFrom=CLAMPED | {"source": "Annotation"}),
        r"spec\.rules\[0\]\.priorityFrom\.source: Unsupported value",
        id="priority-from-what",
    ),
    pytest.param(rule(priority=2**31), r"spec\.rules\[0\]\.priority", id="priority-above-int32"),
    pytest.param(rule(priority=-(2**31) - 1), r"spec\.rules\[0\]\.priority", id="priority-below-int32"),
    pytest.param(rule(priority=1.5), r"spec\.rules\[0\]\.priority: .*integer", id="priority-is-a-fraction"),
    pytest.param(rule(priority="high"), r"spec\.rules\[0\]\.priority: .*integer", id="priority-is-a-word"),
    pytest.param({"mode": "Kill"}, r"spec\.mode: Unsupported value.*Enforce.*Audit.*Off", id="unknown-mode"),
    pytest.param({"mode": False}, r"spec\.mode: .*string", id="off-without-quotes"),
    pytest.param({"precedence": 1_000_001}, r"spec\.precedence", id="precedence-out-of-bounds"),
    pytest.param({"defaultPriority": 2**31}, r"spec\.defaultPriority", id="default-priority-above-int32"),
    pytest.param(requirement(operator="In"), r"matchExpressions\[0\]\.values: .*at least one", id="in-without-values"),
    pytest.param(requirement(operator="NotIn", values=[]), r"\[0\]\.values: .*at least one", id="not-in-nothing"),
    pytest.param(requirement(operator="Exists", values=["a"]), r"\[0\]\.values: .*none", id="exists-with-values"),
    pytest.param(requirement(operator="Gt", values=["1"]), r"\[0\]\.operator: Unsupported", id="unknown-operator"),
    pytest.param({"nodeSelector": {"matchLabels": {"pool": "a b"}}}, r"matchLabels\.pool", id="value-is-no-label"),
    pytest.param({"nodeSelector": {"matchExpressions": [{"key": "-x", "operator": "Exists"}]}}, r"\.key", id="bad-key"),
    pytest.param({"protectCritical": {}}, r"spec\.protectCritical\.namespaces: Required", id="protect-critical-where"),
    pytest.param(
        {"protectCritical": {"namespaces": ["a", "a"]}}, r"namespaces\[1\]: Duplicate", id="one-namespace-twice"
    ),
    pytest.param(
        {"rules": [{"name": f"r{i}", "match": {}, "priority": 1} for i in range(129)]},
        r"spec\.rules: Too many",
        id="too-many-rules",
    ),
    pytest.param(
        rule(match={"priorityClassNames": []}, priority=1), r"priorityClassNames: .*at least 1", id="no-class"
    ),
    pytest.param(
        rule(match={"priorityClassNames": ["Gold"]}, priority=1),
        r"priorityClassNames\[0\]: Invalid",
        id="bad-class-name",
    ),
    pytest.param(rule(match={"qosClasses": []}, priority=1), r"qosClasses: .*at least 1", id="no-qos-class"),
    pytest.param(
        rule(match={"qosClasses": ["Elastic"]}, priority=1),
        r"qosClasses\[0\]: Unsupported value.*Guaranteed.*Burstable.*BestEffort",
        id="unknown-qos-class",
    ),
    pytest.param(
        rule(match={"qosClasses": ["Burstable", "Burstable"]}, priority=1),
        r"qosClasses\[1\]: Duplicate",
        id="qos-twice",
    ),
    pytest.param(
        rule(priority=1, override={"minimum": 2, "maximum": 1}),
        r"spec\.rules\[0\]\.override\.minimum: .*must not be greater than `maximum`",
        id="override-minimum-above-maximum",
    ),
    pytest.param(
        rule(priority=1, override={"minimum": 2}), r"override\.maximum: Required", id="override-without-bounds"
    ),
    pytest.param(
        rule(match=BY_LABEL, protect={"upTo": "Always"}, override={"minimum": 0, "maximum": 1}),
        r"spec\.rules\[0\]\.override: .*may not be set when `protect` is set",
        id="override-of-protection",
    ),
    pytest.param(
        rule(priority=1, containers=[{"name": "a", "priority": 1}, {"name": "a", "priority": 2}]),
        r"spec\.rules\[0\]\.containers\[1\]: Duplicate",
        id="one-container-twice",
    ),
    pytest.param(
        rule(priority=1, containers=[{"name": "a"}]), r"containers\[0\]\.priority: Required", id="container-how"
    ),
    pytest.param(
        rule(priority=1, containers=[{"name": "A b", "priority": 1}]),
        r"containers\[0\]\.name: Invalid",
        id="container-who",
    ),
    pytest.param(rule(priority=1, victim={}), r"spec\.rules\[0\]\.victim: .*at least 1", id="victim-says-nothing"),
    pytest.param(
        rule(priority=1, victim={"tieBreak": "Newest"}), r'unknown field ".*victim\.tieBreak"', id="tie-break-in-a-rule"
    ),
    pytest.param(
        rule(priority=1, victim={"unit": "Thread"}),
        r"victim\.unit: Unsupported value.*Container.*Pod.*Process",
        id="unit-in-a-rule",
    ),
    pytest.param({"victim": {"unit": "Node"}}, r"spec\.victim\.unit: Unsupported value", id="unknown-unit"),
    pytest.param(
        {"victim": {"tieBreak": "Oldest"}}, r"spec\.victim\.tieBreak: Unsupported.*Newest", id="unknown-tie-break"
    ),
    pytest.param({"victim": {"then": "Delete"}}, r"spec\.victim\.then: Unsupported.*Restart.*Evict", id="unknown-then"),
    pytest.param(
        {"victim": {"graceMilliseconds": -1}}, r"graceMilliseconds: .*greater than or equal to 0", id="no-grace"
    ),
    pytest.param(
        {"victim": {"graceMilliseconds": 120001}}, r"graceMilliseconds: .*less than or equal", id="long-grace"
    ),
    pytest.param({"backends": []}, r"spec\.backends: .*at least 1", id="no-backend"),
    pytest.param({"backends": ["Magic"]}, r"spec\.backends\[0\]: Unsupported.*KernelHook", id="unknown-backend"),
    pytest.param(
        {"backends": ["Userspace", "Userspace"]},
        r"spec\.backends: .*must not contain a backend twice",
        id="backend-twice",
    ),
    pytest.param(trigger(memoryAvailable="much"), THRESHOLD, id="threshold-is-a-word"),
    pytest.param(trigger(memoryAvailable="1Ki"), THRESHOLD, id="threshold-too-small"),
    pytest.param(trigger(memoryAvailable="2Ti"), THRESHOLD, id="threshold-too-large"),
    pytest.param(trigger(memoryAvailable="51%"), THRESHOLD, id="threshold-of-more-than-half"),
    pytest.param(trigger(memoryAvailable="0%"), THRESHOLD, id="threshold-of-nothing"),
    pytest.param(trigger(memoryAvailable="-200Mi"), THRESHOLD, id="threshold-below-zero"),
    pytest.param(trigger(memoryAvailable=209715200), r"memoryAvailable: .*string", id="threshold-without-quotes"),
    pytest.param(
        trigger(pressureFullMilliseconds=1000),
        r"spec\.trigger\.pressureFullMilliseconds: .*must be less than `windowMilliseconds`",
        id="stall-as-long-as-the-window-that-is-absent",
    ),
    pytest.param(
        trigger(pressureFullMilliseconds=700, windowMilliseconds=600), r"must be less than", id="stall-above-the-window"
    ),
    pytest.param(trigger(windowMilliseconds=499), r"windowMilliseconds: .*500", id="window-too-short-for-the-kernel"),
    pytest.param(
        trigger(windowMilliseconds=10001), r"windowMilliseconds: .*10000", id="window-too-long-for-the-kernel"
    ),
    pytest.param(trigger(swapFreePercent=101), r"swapFreePercent: .*100", id="more-than-all-swap"),
    pytest.param({"budget": {"maximumKills": 0}}, r"budget\.maximumKills: .*1", id="no-kills"),
    pytest.param({"budget": {"cooldownSeconds": 3601}}, r"budget\.cooldownSeconds: .*3600", id="cooldown-of-an-hour"),
    pytest.param({"budget": {"windowSeconds": 0}}, r"budget\.windowSeconds: .*1", id="no-window"),
    pytest.param(host("/"), HOST, id="host-root"),
    pytest.param(host("backup.service"), HOST + "Invalid", id="host-path-without-a-slash"),
    pytest.param(host("/a/"), HOST + "Invalid", id="host-path-with-a-slash-behind"),
    pytest.param(host("/a//b"), HOST + "Invalid", id="host-path-with-two-slashes"),
    pytest.param(host("/a/../b"), HOST + "must not contain `.` or `..`", id="host-path-climbs"),
    pytest.param(host("/a/."), HOST + "must not contain `.` or `..`", id="host-path-stays"),
    pytest.param(host("/system.slice"), HOST + "must be a leaf or a service", id="host-system"),
    pytest.param(host("/kubepods.slice/x"), HOST + "must be outside the pods' cgroups", id="host-pods-systemd"),
    pytest.param(host("/kubepods"), HOST + "must be outside the pods' cgroups", id="host-pods-cgroupfs"),
    pytest.param(host("/system.slice/kubelet.service"), HOST + "must not be kubelet's", id="host-kubelet"),
    pytest.param(host("/system.slice/containerd.service/a"), HOST + "must not be kubelet's", id="host-runtime"),
    pytest.param(host("/" + "a" * 512), HOST + "Too long", id="host-path-too-long"),
    pytest.param(
        {"hostCgroups": [{"path": "/a/b", "priority": 1}] * 2}, r"hostCgroups\[1\]: Duplicate", id="one-host-path-twice"
    ),
    pytest.param(
        {"hostCgroups": [{"path": "/a/b"}]}, r"hostCgroups\[0\]\.priority: Required", id="host-without-priority"
    ),
    pytest.param(agent(updateStrategy={"maxSurge": 0}), SURGE, id="surge-of-nothing"),
    pytest.param(agent(updateStrategy={"maxSurge": "101%"}), SURGE, id="surge-of-more-than-all"),
    pytest.param(
        agent(updateStrategy={"maxUnavailable": 1}), r'unknown field ".*maxUnavailable"', id="a-gap-in-updates"
    ),
    pytest.param(agent(updateStrategy={"type": "Recreate"}), r"updateStrategy\.type: Unsupported", id="update-how"),
    pytest.param(agent(image="evil"), r'unknown field "spec\.agent\.image"', id="image-is-the-charts"),
    pytest.param(agent(logLevel="Loud"), r"spec\.agent\.logLevel: Unsupported", id="unknown-log-level"),
    pytest.param(
        agent(resources={"guard": {"limits": {"memory": "lots"}}}), r"limits: .*must be quantities", id="no-quantity"
    ),
    pytest.param(
        agent(resources={"sync": {"requests": {"gpu": "1"}}}),
        r"requests: .*no other keys than cpu",
        id="other-resources",
    ),
    pytest.param(
        agent(tolerations=[{"operator": "Perhaps"}]), r"tolerations\[0\]\.operator: Unsupported", id="toleration"
    ),
    pytest.param(requirement(operator="In", values=["v"] * 1000), r"values: Too many", id="a-thousand-values"),
    pytest.param({"nodeSelector": {"matchLabels": {"pool": "größe"}}}, r"matchLabels\.pool", id="unicode-in-a-label"),
    pytest.param(
        {"nodeSelector": {"matchLabels": {f"k{i}": "v" for i in range(65)}}}, r"matchLabels: Too many", id="many-labels"
    ),
    pytest.param({"dryRun": True}, r'unknown field "spec\.dryRun"', id="unknown-field"),
    pytest.param(rule(priority=1, weight=3), r'unknown field "spec\.rules\[0\]\.weight"', id="unknown-field-in-a-rule"),
]


@pytest.mark.parametrize(("spec", "message"), REFUSED)
def test_bad_policy_is_refused_by_the_name_of_its_field(control_plane: ControlPlane, spec: Spec, message: str) -> None:
    with pytest.raises(KubectlError, match=re.compile(message, re.DOTALL)):
        control_plane.kubectl("create", "--dry-run=server", "-f", "-", input=policy(spec))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(policy({}, name="a" * 64), r"metadata\.name: Too long", id="name-too-long-for-a-label"),
        pytest.param(
            '{"apiVersion": "oompolicy.dev/v1alpha1", "kind": "OOMPolicy", "metadata": {"name": "a"}}',
            r"spec: Required",
            id="no-spec",
        ),
    ],
)
def test_bad_object_is_refused(control_plane: ControlPlane, text: str, message: str) -> None:
    with pytest.raises(KubectlError, match=message):
        control_plane.kubectl("create", "--dry-run=server", "-f", "-", input=text)


def widest() -> Spec:
    """As many rules with as many requirements as the bounds allow within the size of a request."""
    expressions = [{"key": f"k{i}", "operator": "In", "values": [f"v{j}" for j in range(8)]} for i in range(32)]
    match = {"podSelector": {"matchExpressions": expressions}}
    return {"rules": [{"name": f"r{i}", "match": match, "priority": i} for i in range(128)]}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(policy({}), id="minimal"),
        pytest.param(manifest("policy.yaml"), id="demo"),
        pytest.param(policy(FULL), id="full"),
        pytest.param(policy(widest()), id="widest"),
        pytest.param(policy(rule(priority=-(2**31))), id="lowest-priority"),
        pytest.param(policy({"protectCritical": {"namespaces": []}}), id="critical-pods-exposed"),
        pytest.param(policy(trigger(memoryAvailable="5%")), id="share-of-memory"),
        pytest.param(policy(trigger(memoryAvailable="1.5Gi")), id="fraction-of-a-quantity"),
        pytest.param(policy(trigger(pressureFullMilliseconds=1500, windowMilliseconds=2000)), id="longer-window"),
        pytest.param(policy(host("/custom.slice/a.b..c/d")), id="dots-in-a-name"),
        pytest.param(policy(agent(updateStrategy={"maxSurge": 5})), id="surge-is-a-number"),
        pytest.param(policy(agent(tolerations=[])), id="tolerates-nothing"),
        pytest.param(policy(rule(priority=1, override={"minimum": 5, "maximum": 5})), id="bounds-that-meet"),
    ],
)
def test_good_policy_is_accepted(control_plane: ControlPlane, text: str) -> None:
    control_plane.kubectl("create", "--dry-run=server", "-f", "-", input=text)


def test_defaults_are_visible(control_plane: ControlPlane) -> None:
    stored = json.loads(control_plane.kubectl("create", "--dry-run=server", "-f", "-", "-o", "json", input=policy({})))
    assert stored["spec"] == {
        "mode": "Enforce",
        "precedence": 0,
        "defaultPriority": 0,
        "protectCritical": {"namespaces": ["kube-system"]},
    }


def test_explain_describes_every_field(control_plane: ControlPlane) -> None:
    said = control_plane.kubectl("explain", "oompolicy", "--recursive")
    for field in ("nodeSelector", "priorityFrom", "protectCritical", "kernelHook", "lastTransitionTime"):
        assert field in said
    assert "lower dies first" in control_plane.kubectl("explain", "oompolicy.spec.rules.priority")


def test_columns_answer_at_a_glance(control_plane: ControlPlane) -> None:
    control_plane.apply(policy({"mode": "Audit"}, name="columns"))
    try:
        status = {
            "nodes": {"desired": 3, "programmed": 2, "kernelHook": 0, "userspace": 2},
            "conditions": [
                {
                    "type": "Ready",
                    "status": "False",
                    "reason": "AgentsNotReady",
                    "message": "2 of 3 nodes",
                    "lastTransitionTime": "2026-11-24T01:53:49Z",
                }
            ],
        }
        patch = json.dumps({"status": status})
        control_plane.kubectl("patch", "oomp", "columns", "--subresource=status", "--type=merge", "-p", patch)
        head, row = control_plane.kubectl("get", "oomp", "columns").splitlines()
    finally:
        control_plane.kubectl("delete", "oomp", "columns")
    assert head.split() == ["NAME", "MODE", "NODES", "PROGRAMMED", "HOOK", "USERSPACE", "READY", "AGE"]
    assert row.split()[:7] == ["columns", "Audit", "3", "2", "0", "2", "False"]


def test_status_is_written_through_its_subresource_only(control_plane: ControlPlane) -> None:
    text = json.dumps(json.loads(policy({})) | {"status": {"observedGeneration": 7}})
    created = control_plane.kubectl("create", "-f", "-", "-o", "json", input=text)
    control_plane.kubectl("delete", "oomp", "tried")
    assert "status" not in json.loads(created)
