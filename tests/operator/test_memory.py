"""The picture of the cluster, asked by name."""

from typing import Any

from oompolicy_operator.acceptance import accept
from oompolicy_operator.memory import Memory, StoredPolicy
from oompolicy_operator.observed import NodeReport, ReadyAgent

LINUX = {"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}


def stored(name: str, **spec: Any) -> list[StoredPolicy]:  # noqa: ANN401 - any field of a spec
    return [StoredPolicy(accept({"metadata": {"name": name, "uid": name, "generation": 1}, "spec": spec}), 7)]


MEMORY = Memory(
    policies={
        "all": stored("all"),
        "pool": stored("pool", nodeSelector={"matchLabels": {"pool": "a"}}),
        "newer": stored("newer", mode="Ask"),
    },
    daemon_sets={"oompolicy-all": [{"kind": "DaemonSet"}]},
    nodes={"n1": [LINUX], "n2": [LINUX | {"pool": "a"}]},
    reports={"n1": [NodeReport("p1", (), "Userspace", "")]},
    agents={"n1": [ReadyAgent("p1", "n1"), ReadyAgent("p2", "n1")]},
)


def test_policy_and_its_daemon_set_are_found_by_the_policys_name() -> None:
    found = MEMORY.policy("all")
    assert found is not None
    assert found.resource_version == 7
    assert MEMORY.daemon_set_of("all") == {"kind": "DaemonSet"}


def test_what_is_gone_is_none() -> None:
    assert MEMORY.policy("gone") is None
    assert MEMORY.daemon_set_of("pool") is None


def test_node_concerns_the_policies_that_select_it() -> None:
    assert MEMORY.policies_for("n1") == ["all"]
    assert MEMORY.policies_for("n2") == ["all", "pool"]
    assert MEMORY.policies_for("gone") == []


def test_policy_that_is_not_understood_competes_with_nobody() -> None:
    assert [policy.metadata.name for policy in MEMORY.observed().policies] == ["all", "pool"]


def test_both_agents_of_a_node_are_seen() -> None:
    assert MEMORY.observed().ready_agents == {"n1": frozenset({"p1", "p2"})}
    assert MEMORY.observed().reports["n1"].agent_pod_uid == "p1"
