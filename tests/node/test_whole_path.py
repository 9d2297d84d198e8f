"""The whole path on a real node: helm install, one policy, and the right container dies.

The tests of this file build on each other, in their order, because a node under emulation takes a minute to come up.
"""

import json

import pytest

from demo import story
from demo.installation import OPERATOR_NAMESPACE, helm_install, helm_uninstall
from lab.control_plane import ControlPlane, KubectlError
from lab.node import Node

pytestmark = pytest.mark.node

AGENTS = "oompolicy-agents"


def agent_pods(control_plane: ControlPlane) -> list[str]:
    pods = json.loads(control_plane.kubectl("-n", AGENTS, "get", "pods", "-o", "json"))["items"]
    return [pod["metadata"]["name"] for pod in pods]


def test_a_policy_becomes_ready_on_the_node(control_plane: ControlPlane, node: Node) -> None:
    helm_install(control_plane)
    story.start_product(control_plane)
    assert story.Ending(control_plane, node).node_status()["backend"] == "Userspace"


def test_batch_dies_first_then_hog_and_the_database_never(control_plane: ControlPlane, node: Node) -> None:
    ending = story.Ending(control_plane, node)
    story.play(control_plane, ending)
    assert story.settled_faults(ending) == []


def test_the_guard_has_no_service_account_token(control_plane: ControlPlane) -> None:
    (agent,) = agent_pods(control_plane)
    look = ("-n", AGENTS, "exec", agent, "-c")
    assert "token" in control_plane.kubectl(*look, "sync", "--", "ls", "/var/run/secrets/kubernetes.io/serviceaccount")
    with pytest.raises(KubectlError, match="No such file"):
        control_plane.kubectl(*look, "guard", "--", "ls", "/var/run/secrets/kubernetes.io/serviceaccount")


def test_an_uninstalled_operator_blocks_no_deletion_and_the_agents_go(control_plane: ControlPlane) -> None:
    helm_uninstall(control_plane)
    assert control_plane.kubectl("-n", OPERATOR_NAMESPACE, "get", "deployments", "--no-headers") == ""
    control_plane.kubectl("delete", "oomp", "demo", "--timeout=60s")
    story.wait_until("no agent is left", lambda: not agent_pods(control_plane))
