"""What a policy is on each node: programmed only if a Ready agent says so."""

from typing import Any

import pytest

from oompolicy_api.policy import OOMPolicy
from oompolicy_operator.observed import NodeReport, Observed
from oompolicy_operator.roster import Roster
from oompolicy_operator.standing import NodeState, Standing, node_states

LINUX = {"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}


def policy(name: str = "mine", generation: int = 3, **spec: Any) -> OOMPolicy:  # noqa: ANN401 - any field of a spec
    metadata = {"name": name, "uid": f"uid-{name}", "generation": generation}
    return OOMPolicy.parse({"metadata": metadata, "spec": spec})


def report(policy: str = "mine", generation: int = 3, pod: str | None = "pod-1", **more: Any) -> NodeReport:  # noqa: ANN401
    fields = {"agent_pod_uid": pod, "applied": ((f"uid-{policy}", generation),), "backend": "Userspace", "why": ""}
    return NodeReport(**(fields | more))


PROGRAMMED = NodeState(Standing.PROGRAMMED, "Userspace")
STALE, PENDING = (NodeState(each) for each in (Standing.STALE, Standing.PENDING))
OVERRIDDEN = NodeState(Standing.OVERRIDDEN, winner="other")


@pytest.mark.parametrize(
    ("said", "ready", "state"),
    [
        pytest.param(report(), {"pod-1"}, PROGRAMMED, id="ready-agent-applies-it"),
        pytest.param(report(), {"pod-1", "pod-2"}, PROGRAMMED, id="one-of-two-agents-holds-the-lock"),
        pytest.param(report(), {"pod-2"}, STALE, id="reported-by-a-pod-that-is-gone"),
        pytest.param(report(), set(), STALE, id="agent-not-ready"),
        pytest.param(None, {"pod-1"}, STALE, id="agent-has-not-reported"),
        pytest.param(report(pod=None), {"pod-1"}, STALE, id="no-guard-holds-the-lock"),
        pytest.param(report(generation=2), {"pod-1"}, PENDING, id="older-generation"),
        pytest.param(report("other"), {"pod-1"}, PENDING, id="another-policy-still"),
        pytest.param(report(applied=()), {"pod-1"}, PENDING, id="nothing-applied"),
        pytest.param(
            report(backend="Off", why="NoPSI"),
            {"pod-1"},
            NodeState(Standing.PROGRAMMED, "Off", "NoPSI"),
            id="applied-and-off",
        ),
        pytest.param(
            report(problems=("the disk is full",)),
            {"pod-1"},
            NodeState(Standing.PROGRAMMED, "Userspace", problems=("n1: the disk is full",)),
            id="applied-with-problems",
        ),
    ],
)
def test_node_stands_where_its_agent_says(said: NodeReport | None, ready: set[str], state: NodeState) -> None:
    reports = {"n1": said} if said else {}
    mine = policy()
    observed = Observed(Roster([mine]), {"n1": LINUX}, {"n1": frozenset(ready)}, reports)
    assert list(node_states(mine, observed)) == [state]


def test_policy_made_again_under_its_old_name_is_another_policy() -> None:
    again = policy().model_copy(update={"metadata": policy().metadata.model_copy(update={"uid": "uid-new"})})
    observed = Observed(Roster([again]), {"n1": LINUX}, {"n1": frozenset({"pod-1"})}, {"n1": report()})
    assert list(node_states(again, observed)) == [PENDING]


@pytest.mark.parametrize(
    ("other", "state"),
    [
        pytest.param(policy("other", precedence=1), OVERRIDDEN, id="higher-precedence"),
        pytest.param(policy("other", precedence=-1), PROGRAMMED, id="lower-precedence"),
        pytest.param(policy("other", precedence=1, mode="Off"), OVERRIDDEN, id="switched-off-from-above"),
        pytest.param(
            policy("other", precedence=1, nodeSelector={"matchLabels": {"pool": "x"}}), PROGRAMMED, id="elsewhere"
        ),
    ],
)
def test_policy_is_overridden_where_another_is_in_force(other: OOMPolicy, state: NodeState) -> None:
    mine = policy()
    observed = Observed(Roster([mine, other]), {"n1": LINUX}, {"n1": frozenset({"pod-1"})}, {"n1": report()})
    assert list(node_states(mine, observed)) == [state]


@pytest.mark.parametrize(
    ("mine", "others", "state"),
    [
        pytest.param(policy(mode="Audit"), [policy("other")], PROGRAMMED, id="audits-beside-one-that-enforces"),
        pytest.param(
            policy(), [policy("other", precedence=9, mode="Audit")], PROGRAMMED, id="enforces-beside-one-that-audits"
        ),
        pytest.param(
            policy(mode="Audit"),
            [policy("strict"), policy("other", precedence=1, mode="Audit")],
            OVERRIDDEN,
            id="another-audits",
        ),
        pytest.param(policy(mode="Audit"), [policy("other", mode="Off")], OVERRIDDEN, id="the-node-is-switched-off"),
        pytest.param(policy(mode="Audit"), [], PROGRAMMED, id="audits-alone"),
    ],
)
def test_one_policy_enforces_on_a_node_and_one_audits(
    mine: OOMPolicy, others: list[OOMPolicy], state: NodeState
) -> None:
    observed = Observed(Roster([mine, *others]), {"n1": LINUX}, {"n1": frozenset({"pod-1"})}, {"n1": report()})
    assert list(node_states(mine, observed)) == [state]


def test_nodes_that_the_policy_does_not_select_do_not_count() -> None:
    mine = policy(nodeSelector={"matchLabels": {"pool": "a"}})
    nodes = {"n1": LINUX | {"pool": "a"}, "n2": LINUX, "n3": {"kubernetes.io/os": "windows", "pool": "a"}}
    assert list(node_states(mine, Observed(Roster([mine]), nodes))) == [STALE]
