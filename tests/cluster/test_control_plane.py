"""The control plane of the tests is a real one: it stores, refuses, and runs its controllers."""

import pytest

from lab.control_plane import ControlPlane, KubectlError

pytestmark = pytest.mark.cluster


def test_an_object_is_stored_and_comes_back(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.apply(
        f"{{apiVersion: v1, kind: ConfigMap, metadata: {{name: a, namespace: {namespace}}}, data: {{k: v}}}}"
    )
    assert control_plane.kubectl("-n", namespace, "get", "configmap", "a", "-o", "jsonpath={.data.k}") == "v"


def test_a_bad_object_is_refused_with_the_servers_words(control_plane: ControlPlane, namespace: str) -> None:
    with pytest.raises(KubectlError, match="must consist of"):
        control_plane.apply(f"{{apiVersion: v1, kind: ConfigMap, metadata: {{name: A_B, namespace: {namespace}}}}}")


def test_controllers_run(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.kubectl("-n", namespace, "wait", "--for=create", "serviceaccount/default", "--timeout=60s")
