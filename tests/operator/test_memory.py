"""The picture of the cluster, asked by name."""

from dataclasses import replace
from typing import Any

import pytest

from oompolicy_operator.acceptance import accept
from oompolicy_operator.memory import Agents, Memory, StoredPolicy
from oompolicy_operator.observed import NodeReport, ReadyAgent

LINUX = {"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}


def stored(name: str, **spec: Any) -> list[StoredPolicy]:  # noqa: ANN401 - any field of a spec
    return [StoredPolicy(accept({"metadata": {"name": name, "uid": name, "generation": 1}, "spec": spec}), 7)]


AGENTS = Agents()
for uid in ("p1", "p2"):
    AGENTS.change(None, ReadyAgent(uid, "n1"))
MEMORY = Memory(
    policies={
        "all": stored("all"),
        "pool": stored("pool", nodeSelector={"matchLabels": {"pool": "a"}}),
        "newer": stored("newer", mode="Ask"),
    },
    uids={name: name for name in ("all", "pool", "newer")},
    daemon_sets={"oompolicy-all": {"kind": "DaemonSet"}},
    nodes={"n1": LINUX, "n2": LINUX | {"pool": "a"}},
    reports={"n1": NodeReport("p1", (), "Userspace", "")},
    agents=AGENTS,
)


def test_policy_and_its_daemon_set_are_found_by_the_policys_name() -> None:
    found = MEMORY.policy("all")
    assert found is not None
    assert found.resource_version == 7
    assert MEMORY.daemon_set_of("all") == {"kind": "DaemonSet"}


def test_what_is_gone_is_none() -> None:
    assert MEMORY.policy("gone") is None
    assert MEMORY.daemon_set_of("pool") is None


@pytest.mark.parametrize("uids", [pytest.param({}, id="deleted"), pytest.param({"pool": "new"}, id="made-again")])
def test_policy_that_exists_no_more_counts_for_nothing_although_the_index_still_has_it(uids: dict[str, str]) -> None:
    memory = replace(MEMORY, uids=uids | {"all": "all"})
    assert memory.policy("pool") is None
    assert [name for name, _ in memory.statuses()] == ["all"]
    assert memory.policies_for("n2") == {"all"}


def test_policy_that_was_made_again_under_its_name_is_the_one_that_is_found() -> None:
    metadata = {"name": "pool", "uid": "new", "generation": 1}
    again = StoredPolicy(accept({"metadata": metadata, "spec": {}}), 8)
    memory = replace(MEMORY, policies={"pool": [*stored("pool"), again]}, uids={"pool": "new"})
    assert memory.policy("pool") == again


def test_node_concerns_the_policies_that_select_it() -> None:
    assert MEMORY.policies_for("n1") == {"all"}
    assert MEMORY.policies_for("n2") == {"all", "pool"}
    assert MEMORY.policies_for("gone") == frozenset()


def test_policy_that_is_not_understood_competes_with_nobody() -> None:
    assert [policy.metadata.name for policy in MEMORY.observed("all").roster.policies] == ["all", "pool"]


def test_nodes_that_a_policy_does_not_select_are_not_looked_at_for_it() -> None:
    assert MEMORY.observed("all").nodes.keys() == {"n1", "n2"}
    assert MEMORY.observed("pool").nodes.keys() == {"n2"}


def test_both_agents_of_a_node_are_seen() -> None:
    observed = MEMORY.observed("all")
    assert observed.ready_agents == {"n1": frozenset({"p1", "p2"}), "n2": frozenset()}
    assert observed.reports["n1"].agent_pod_uid == "p1"


def test_node_that_comes_or_goes_is_seen_once_it_was_told() -> None:
    nodes = {"n1": LINUX}
    memory = Memory({"all": stored("all")}, {"all": "all"}, {}, nodes, {}, Agents())
    assert memory.observed("all").nodes.keys() == {"n1"}
    nodes["n2"] = LINUX
    del nodes["n1"]
    memory.nodes_changed()
    assert memory.observed("all").nodes.keys() == {"n2"}


def test_changed_selector_is_seen_without_being_told() -> None:
    policies = {"all": stored("all")}
    memory = Memory(policies, {"all": "all"}, {}, {"n1": LINUX}, {}, Agents())
    assert memory.observed("all").nodes.keys() == {"n1"}
    metadata = {"name": "all", "uid": "all", "generation": 2}
    spec = {"nodeSelector": {"matchLabels": {"pool": "a"}}}
    policies["all"] = [StoredPolicy(accept({"metadata": metadata, "spec": spec}), 8)]
    assert memory.observed("all").nodes == {}


def test_agent_that_is_ready_no_more_or_elsewhere_is_not_seen_there() -> None:
    agents, first, moved = Agents(), ReadyAgent("p1", "n1"), ReadyAgent("p1", "n2")
    agents.change(None, first)
    agents.change(None, ReadyAgent("p2", "n1"))
    agents.change(first, moved)
    assert [sorted(agents.on(node)) for node in ("n1", "n2")] == [["p2"], ["p1"]]
    agents.change(moved, None)
    assert agents.on("n2") == frozenset()
