"""The whole path on a real node: helm install, one policy, and the right container dies.

The tests of this file build on each other, in their order, because a node under emulation takes a minute to come up.
"""

import json
from collections.abc import Iterable

import pytest

from demo import story
from demo.installation import OPERATOR_NAMESPACE, helm_install, helm_test, helm_uninstall
from lab.control_plane import ControlPlane, KubectlError
from lab.node import Node

pytestmark = pytest.mark.node

AGENTS = "oompolicy-agents"
STATE = "/var/lib/oompolicy"
JOURNAL = {f"{STATE}/outbox/decisions.jsonl", f"{STATE}/inbox/published.json", f"{STATE}/guard.lock"}
"""What stays on a node: what was decided, how far it was published, and the empty file that is locked."""


def agent_pods(control_plane: ControlPlane) -> list[str]:
    pods = json.loads(control_plane.kubectl("-n", AGENTS, "get", "pods", "-o", "json"))["items"]
    return [pod["metadata"]["name"] for pod in pods]


def set_mode(control_plane: ControlPlane, mode: str) -> None:
    control_plane.kubectl("patch", "oomp", "demo", "--type=merge", "-p", json.dumps({"spec": {"mode": mode}}))


def adjusted(control_plane: ControlPlane, node: Node) -> dict[str, int]:
    """The database's container, by its path, with the oom_score_adj that kubelet gave it, once it has another."""
    uid = control_plane.kubectl("-n", "shop", "get", "pod", "shop-db", "-o", "jsonpath={.metadata.uid}")
    story.wait_until(
        "the policy acts", lambda: story.Ending(control_plane, node).node_status()["backend"] == "Userspace"
    )
    show = ["sh", "-c", "cat /run/oompolicy/adjusted.json 2>/dev/null || echo '{\"containers\": []}'"]
    found: dict[str, int] = {}

    def is_shaped() -> bool:
        containers = json.loads(node.run(show).stdout)["containers"]
        found.update((each["path"], each["original"]) for each in containers if uid in each["path"])
        return bool(found)

    story.wait_until("it is shaped", lambda: is_shaped() and values(node, found) != found)
    return found


def values(node: Node, containers: Iterable[str]) -> dict[str, int]:
    """The oom_score_adj of the first process of each."""
    script = 'cat /proc/$(head -n 1 "/sys/fs/cgroup$1/cgroup.procs")/oom_score_adj'
    return {path: int(node.run(["sh", "-c", script, "sh", path]).stdout) for path in containers}


def files(node: Node) -> set[str]:
    """What is left of the agents on the node's disk and in its memory."""
    return set(node.run(["find", "/var/lib/oompolicy", "/run/oompolicy", "-type", "f"]).stdout.split())


def test_a_policy_becomes_ready_on_the_node(control_plane: ControlPlane, node: Node) -> None:
    helm_install(control_plane)
    story.start_product(control_plane)
    assert story.Ending(control_plane, node).node_status()["backend"] == "Userspace"


def test_helm_test_finds_the_installation_working(control_plane: ControlPlane) -> None:
    helm_test(control_plane)


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


def test_off_puts_back_what_was_adjusted_and_the_agent_stays(control_plane: ControlPlane, node: Node) -> None:
    agents, before = agent_pods(control_plane), adjusted(control_plane, node)
    set_mode(control_plane, "Off")
    story.wait_until("the node is off", lambda: story.Ending(control_plane, node).node_status()["backend"] == "Off")
    assert values(node, before) == before
    assert agent_pods(control_plane) == agents


def test_a_deleted_policy_leaves_the_node_as_it_was(control_plane: ControlPlane, node: Node) -> None:
    set_mode(control_plane, "Enforce")
    before = adjusted(control_plane, node)
    control_plane.kubectl("delete", "oomp", "demo", "--timeout=60s")
    story.wait_until("no agent is left", lambda: not agent_pods(control_plane))
    assert values(node, before) == before
    assert files(node) <= JOURNAL


def test_an_uninstalled_chart_leaves_the_node_as_it_was_and_blocks_no_deletion(
    control_plane: ControlPlane, node: Node
) -> None:
    story.start_product(control_plane)
    before = adjusted(control_plane, node)
    helm_uninstall(control_plane)
    assert agent_pods(control_plane) == []
    assert values(node, before) == before
    assert files(node) <= JOURNAL
    assert control_plane.kubectl("-n", OPERATOR_NAMESPACE, "get", "all", "--no-headers", "--ignore-not-found") == ""
    control_plane.kubectl("delete", "oomp", "demo", "--timeout=60s")
