"""What the API server itself says about policies: bad ones are refused by field, good ones get their defaults."""

import json
import re
from typing import Any

import pytest

from demo.installation import manifest
from lab.control_plane import ControlPlane, KubectlError

pytestmark = pytest.mark.cluster

Spec = dict[str, Any]

FULL: Spec = {
    "nodeSelector": {
        "matchLabels": {"pool": "mixed"},
        "matchExpressions": [
            {"key": "example.com/zone", "operator": "In", "values": ["a", "b"]},
            {"key": "gone", "operator": "DoesNotExist"},
        ],
    },
    "precedence": 10,
    "mode": "Audit",
    "defaultPriority": -5,
    "protectCritical": {"namespaces": ["kube-system", "storage"]},
    "rules": [
        {
            "name": "databases",
            "match": {
                "namespaceSelector": {"matchLabels": {"tier": "data"}},
                "podSelector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]},
            },
            "priority": 900,
        },
        {
            "name": "ledger",
            "match": {"namespaceSelector": {"matchLabels": {"tier": "ledger"}}},
            "protect": {"upTo": "Request"},
        },
        {
            "name": "tenants",
            "match": {},
            "priorityFrom": {"source": "PodPriority", "minimum": -100, "maximum": 800},
        },
    ],
}


def policy(spec: Spec, name: str = "tried") -> str:
    kind = {"apiVersion": "oompolicy.dev/v1alpha1", "kind": "OOMPolicy", "metadata": {"name": name}}
    return json.dumps(kind | {"spec": spec})


def rule(**fields: Any) -> Spec:  # noqa: ANN401 - a bad rule may hold anything
    return {"rules": [{"name": "a", "match": {}} | fields]}


def requirement(**fields: Any) -> Spec:  # noqa: ANN401 - a bad requirement may hold anything
    return {"nodeSelector": {"matchExpressions": [{"key": "pool"} | fields]}}


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
