"""The whole path on a real node: one policy, and the right container dies."""

import json

import pytest

from demo import story
from demo.installation import helm_test
from lab.control_plane import KubectlError
from operating.installed import AGENTS, BACKEND, Installed

pytestmark = pytest.mark.node


def test_a_policy_becomes_ready_on_the_node(product: Installed) -> None:
    assert product.ending.node_status()["backend"] == BACKEND


def test_helm_test_finds_the_installation_working(product: Installed) -> None:
    helm_test(product.control_plane)


def test_batch_dies_first_then_hog_and_the_database_never(product: Installed) -> None:
    story.play(product.control_plane, product.ending)
    assert story.settled_faults(product.ending) == []


def test_the_guard_has_no_service_account_token(product: Installed) -> None:
    (pod,) = json.loads(product.control_plane.kubectl("-n", AGENTS, "get", "pods", "-o", "json"))["items"]
    look = ("-n", AGENTS, "exec", pod["metadata"]["name"], "-c")
    there = ("--", "ls", "/var/run/secrets/kubernetes.io/serviceaccount")
    assert "token" in product.control_plane.kubectl(*look, "sync", *there)
    with pytest.raises(KubectlError, match="No such file"):
        product.control_plane.kubectl(*look, "guard", *there)
