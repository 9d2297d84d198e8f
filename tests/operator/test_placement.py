"""The scheduler's affinity and our counting of nodes are one rule."""

import pytest

from oompolicy_api.policy import OOMPolicy
from oompolicy_operator.placement import is_desired, node_selector_term

LINUX = {"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}


def policy(node_selector: object = None) -> OOMPolicy:
    return OOMPolicy.parse(
        {"metadata": {"name": "a"}, "spec": {"nodeSelector": node_selector} if node_selector else {}}
    )


@pytest.mark.parametrize(
    ("labels", "desired"),
    [
        pytest.param(LINUX, True, id="linux"),
        pytest.param(LINUX | {"kubernetes.io/arch": "arm64"}, True, id="arm"),
        pytest.param(LINUX | {"kubernetes.io/arch": "s390x"}, False, id="architecture-we-do-not-build"),
        pytest.param(LINUX | {"kubernetes.io/os": "windows"}, False, id="windows"),
        pytest.param({}, False, id="node-that-says-nothing"),
        pytest.param(LINUX | {"type": "virtual-kubelet"}, False, id="virtual"),
        pytest.param(LINUX | {"type": "metal"}, True, id="another-type"),
        pytest.param(LINUX | {"eks.amazonaws.com/compute-type": "fargate"}, False, id="fargate"),
    ],
)
def test_policy_without_selector_wants_every_node_that_can_run_an_agent(labels: dict[str, str], desired: bool) -> None:
    assert is_desired(policy(), labels) is desired


@pytest.mark.parametrize(
    ("labels", "desired"),
    [
        pytest.param(LINUX | {"pool": "a"}, True, id="match"),
        pytest.param(LINUX | {"pool": "c"}, False, id="other-value"),
        pytest.param(LINUX | {"pool": "a", "spot": ""}, False, id="excluded"),
        pytest.param({"pool": "a"}, False, id="cannot-run-an-agent"),
    ],
)
def test_selector_narrows_it(labels: dict[str, str], desired: bool) -> None:
    expressions = [
        {"key": "pool", "operator": "In", "values": ["a", "b"]},
        {"key": "spot", "operator": "DoesNotExist"},
    ]
    assert is_desired(policy({"matchExpressions": expressions}), labels) is desired


def test_labels_become_requirements_in_a_stable_order() -> None:
    expressions = node_selector_term(policy({"matchLabels": {"b": "2", "a": "1"}}))["matchExpressions"]
    assert expressions[-2:] == [
        {"key": "a", "operator": "In", "values": ["1"]},
        {"key": "b", "operator": "In", "values": ["2"]},
    ]


def test_requirement_without_values_has_none() -> None:
    selector = {"matchExpressions": [{"key": "spot", "operator": "Exists"}]}
    assert node_selector_term(policy(selector))["matchExpressions"][-1] == {"key": "spot", "operator": "Exists"}
