"""From the states of nodes to a status, as a table."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from oompolicy_api.conditions import Condition
from oompolicy_api.policy import OOMPolicy, OOMPolicyStatus
from oompolicy_operator.acceptance import Rejection
from oompolicy_operator.rollup import rejected, rollup
from oompolicy_operator.standing import NodeState, Standing

NOW = datetime(2026, 11, 24, 1, 53, 49, tzinfo=UTC)

USERSPACE = NodeState(Standing.PROGRAMMED, "Userspace")
HOOK = NodeState(Standing.PROGRAMMED, "KernelHook")
ASSIST = NodeState(Standing.PROGRAMMED, "KernelAssist")
NEWER = NodeState(Standing.PROGRAMMED, "Firmware")
OFF = NodeState(Standing.PROGRAMMED, "Off", "CgroupV1")
NO_PSI = NodeState(Standing.PROGRAMMED, "Off", "NoPSI")
STALE, PENDING = (NodeState(each) for each in (Standing.STALE, Standing.PENDING))
OVERRIDDEN = NodeState(Standing.OVERRIDDEN, winner="strict")


def policy(mode: str = "Enforce", generation: int = 3, status: Any = None, **spec: Any) -> OOMPolicy:  # noqa: ANN401 - as a policy has it
    metadata = {"name": "mixed", "uid": "u", "generation": generation}
    return OOMPolicy.parse({"metadata": metadata, "spec": {"mode": mode, **spec}, "status": status or {}})


def condition(status: OOMPolicyStatus, kind: str) -> Condition:
    return next(each for each in status.conditions if each.type == kind)


@pytest.mark.parametrize(
    ("states", "programmed", "ready", "message"),
    [
        pytest.param([USERSPACE], "True Programmed", "True Ready", "1 of 1 nodes: 1 Userspace", id="one"),
        pytest.param(
            [HOOK, USERSPACE, ASSIST, HOOK],
            "True Programmed",
            "True Ready",
            "4 of 4 nodes: 2 KernelHook, 1 KernelAssist, 1 Userspace",
            id="mixed-backends",
        ),
        pytest.param(
            [HOOK, replace(USERSPACE, why="NoBTF"), *[replace(USERSPACE, why="NoOOMHook")] * 2],
            "True Programmed",
            "True Ready",
            "4 of 4 nodes: 1 KernelHook, 3 Userspace (2 NoOOMHook, 1 NoBTF)",
            id="reasons-against-a-better-backend",
        ),
        pytest.param(
            [replace(ASSIST, why="NoOOMHook"), replace(USERSPACE, why="NoBTF")],
            "True Programmed",
            "True Ready",
            "2 of 2 nodes: 1 KernelAssist (NoOOMHook), 1 Userspace (NoBTF)",
            id="reasons-by-backend",
        ),
        pytest.param(
            [replace(USERSPACE, why=why) for why in "ABCDE"],
            "True Programmed",
            "True Ready",
            "5 of 5 nodes: 5 Userspace (1 A, 1 B, 1 C and 2 more)",
            id="more-reasons-than-a-sentence-bears",
        ),
        pytest.param(
            [USERSPACE, OVERRIDDEN],
            "True Programmed",
            "True Ready",
            "1 of 2 nodes: 1 Userspace, 1 overridden by strict",
            id="partly-overridden",
        ),
        pytest.param(
            [OVERRIDDEN], "False Overridden", "True Ready", "0 of 1 nodes: 1 overridden by strict", id="overridden"
        ),
        pytest.param(
            [USERSPACE, STALE],
            "False PartiallyProgrammed",
            "False AgentsNotReady",
            "1 of 2 nodes: 1 Userspace, 1 stale",
            id="one-stale",
        ),
        pytest.param([STALE], "False Reconciling", "False AgentsNotReady", "0 of 1 nodes: 1 stale", id="all-stale"),
        pytest.param([PENDING], "False Reconciling", "False Reconciling", "0 of 1 nodes: 1 pending", id="pending"),
        pytest.param(
            [OFF, NO_PSI, OFF],
            "True Programmed",
            "False BackendOff",
            "3 of 3 nodes: 3 Off (2 CgroupV1, 1 NoPSI)",
            id="off",
        ),
        pytest.param([NEWER], "True Programmed", "True Ready", "1 of 1 nodes: 1 Firmware", id="backend-we-do-not-know"),
        pytest.param(
            [],
            "False NoMatchingNodes",
            "False NoMatchingNodes",
            "0 nodes match spec.nodeSelector and can run an agent",
            id="no-node",
        ),
    ],
)
def test_conditions_follow_from_the_nodes(states: list[NodeState], programmed: str, ready: str, message: str) -> None:
    status = rollup(policy(), states, now=NOW)
    found = [condition(status, kind) for kind in ("Accepted", "Programmed", "Ready")]
    assert [f"{each.status} {each.reason}" for each in found] == ["True Accepted", programmed, ready]
    assert found[1].message == found[2].message == message
    assert {each.observed_generation for each in found} == {status.observed_generation} == {3}


FULL = [replace(USERSPACE, problems=(f"w{number}: the disk is full",)) for number in range(5)]
RULES = [{"name": "all", "match": {}, "priority": 1}, {"name": "late", "match": {}, "priority": 2}]
LATE = "Rule late never decides: rule all before it matches all that it matches"


@pytest.mark.parametrize(
    ("states", "rules", "said"),
    [
        pytest.param([USERSPACE], [], "False NothingToMend Nothing needs a person", id="nothing"),
        pytest.param(
            [USERSPACE, FULL[1]],
            [],
            "True NodeProblems 1 of 2 nodes names problems; w1: the disk is full",
            id="a-node",
        ),
        pytest.param(
            FULL,
            [],
            "True NodeProblems 5 of 5 nodes name problems; w0: the disk is full; w1: the disk is full; "
            "w2: the disk is full and 2 more",
            id="many-nodes",
        ),
        pytest.param([USERSPACE], RULES, f"True UnreachableRules {LATE}", id="a-rule"),
        pytest.param(
            [FULL[0]],
            RULES,
            f"True UnreachableRules {LATE}; 1 of 1 nodes names problems; w0: the disk is full",
            id="both",
        ),
    ],
)
def test_what_needs_a_person_is_a_condition_of_its_own(states: list[NodeState], rules: list[Any], said: str) -> None:
    status = rollup(policy(rules=rules), states, now=NOW)
    found = condition(status, "NeedsAttention")
    assert f"{found.status} {found.reason} {found.message}" == said
    assert condition(status, "Ready").status == "True"


def test_counts_are_those_of_the_crd() -> None:
    status = rollup(policy(), [HOOK, ASSIST, USERSPACE, USERSPACE, OFF, STALE, PENDING, OVERRIDDEN], now=NOW)
    assert status.nodes is not None
    assert status.nodes.model_dump(by_alias=True) == {
        "desired": 8,
        "programmed": 5,
        "overridden": 1,
        "stale": 1,
        "kernelHook": 1,
        "kernelAssist": 1,
        "userspace": 2,
        "off": 1,
    }


def test_mode_off_is_not_ready_and_says_that_it_was_asked_for() -> None:
    off = NodeState(Standing.PROGRAMMED, "Off", "PolicyOff")
    assert condition(rollup(policy("Off"), [off], now=NOW), "Ready").reason == "ModeOff"


def test_refused_daemon_set_is_told_in_the_api_servers_words() -> None:
    status = rollup(policy(), [USERSPACE], now=NOW, problem='namespaces "x" not found')
    ready = condition(status, "Ready")
    assert (ready.status, ready.reason, ready.message) == ("False", "ApplyFailed", 'namespaces "x" not found')


def test_message_stays_within_the_bound_of_the_crd() -> None:
    assert len(condition(rollup(policy(), [], now=NOW, problem="x" * 9999), "Ready").message) == 4096


def later(states: list[NodeState], generation: int = 3) -> OOMPolicyStatus:
    before = rollup(policy(), [STALE], now=NOW)
    stored = before.model_dump(mode="json", by_alias=True)
    return rollup(policy(generation=generation, status=stored), states, now=NOW + timedelta(hours=1))


def test_time_of_transition_stays_while_the_status_is_the_same() -> None:
    unchanged = later([PENDING], generation=4)
    assert condition(unchanged, "Ready").last_transition_time == NOW
    assert condition(unchanged, "Ready").reason == "Reconciling"


def test_time_of_transition_is_now_when_the_status_turns() -> None:
    assert condition(later([USERSPACE]), "Ready").last_transition_time == NOW + timedelta(hours=1)


def test_same_states_give_the_same_status_through_the_api() -> None:
    stored = later([STALE]).model_dump(mode="json", by_alias=True, exclude_none=True)
    assert OOMPolicyStatus.model_validate(stored) == later([STALE]) == rollup(policy(), [STALE], now=NOW)


def test_policy_that_is_not_understood_keeps_its_counts() -> None:
    before = rollup(policy(), [USERSPACE], now=NOW)
    rejection = Rejection("mixed", "u", 4, before, "spec.mode: expected one of Enforce, Audit, Off, found 'Ask'")
    after = rejected(rejection, now=NOW)
    assert after.nodes == before.nodes
    assert {(each.status, each.reason) for each in after.conditions} == {("False", "NotUnderstood")}
    assert "spec.mode" in condition(after, "Accepted").message
