"""What counts as a change of an object that we applied, and what is the API server's or somebody else's business."""

from typing import Any

import pytest

from oompolicy_operator.drift import differs

WANTED: dict[str, dict[str, Any]] = {
    "metadata": {"labels": {"a": "1"}, "ownerReferences": [{"name": "p", "uid": "u"}]},
    "spec": {
        "tolerations": [{"operator": "Exists"}],
        "containers": [
            {
                "name": "guard",
                "command": ["run", "now"],
                "resources": {"requests": {"cpu": "0.5", "memory": "1024Mi"}},
                "volumeMounts": [{"name": "state", "mountPath": "/state"}],
            }
        ],
    },
}


def found(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    container = {
        "name": "guard",
        "command": ["run", "now"],
        "terminationMessagePath": "/dev/termination-log",
        "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}},
        "volumeMounts": [{"name": "state", "mountPath": "/state", "readOnly": False}],
    }
    spec = {"dnsPolicy": "ClusterFirst", "tolerations": [{"operator": "Exists"}], "containers": [container | changes]}
    return {"metadata": WANTED["metadata"] | {"uid": "x", "generation": 3}, "spec": spec}


def test_defaults_and_other_spellings_of_a_quantity_are_no_change() -> None:
    assert not differs(WANTED, found())


def test_container_of_somebody_else_is_no_change() -> None:
    stored = found()
    stored["spec"]["containers"].insert(0, {"name": "injected"})
    assert not differs(WANTED, stored)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"command": ["run"]}, id="list-is-shorter"),
        pytest.param({"command": ["run", "never"]}, id="list-is-other"),
        pytest.param({"name": "other"}, id="container-is-missing"),
        pytest.param({"resources": {"requests": {"cpu": "600m", "memory": "1Gi"}}}, id="quantity"),
        pytest.param({"resources": {"requests": {"cpu": "500m"}}}, id="request-is-missing"),
        pytest.param({"resources": {}}, id="requests-are-missing"),
        pytest.param({"volumeMounts": []}, id="mount-is-missing"),
        pytest.param({"volumeMounts": [{"name": "other", "mountPath": "/state"}]}, id="mount-is-other"),
    ],
)
def test_changed_field_is_a_change(changes: dict[str, Any]) -> None:
    assert differs(WANTED, found(**changes))


def test_object_that_is_not_there_is_a_change() -> None:
    assert differs(WANTED, None)


def test_toleration_of_somebody_else_is_a_change() -> None:
    stored = found()
    stored["spec"]["tolerations"].append({"key": "x"})
    assert differs(WANTED, stored)
