"""What an OOMNode says, and how often it is said."""

from typing import Any

import pytest

from oompolicy_agent.sync.node_status import Written, is_due, status_of

REPORT: dict[str, Any] = {
    "formatVersion": 1,
    "updatedAt": "2026-11-24T01:53:49.000Z",
    "podUid": "9d0e",
    "bootId": "b007",
    "policy": {"name": "mixed", "uid": "6f1c", "generation": 3},
    "mode": "Enforce",
    "backend": "Userspace",
    "reasons": [
        {"backend": "KernelHook", "reason": "NotBuiltIn", "message": "This agent has no KernelHook backend yet"}
    ],
    "thresholdBytes": 209715200,
    "marginBytes": 734003200,
    "survivableGrowthBytesPerSecond": 419430400,
    "targetsMapped": 7,
    "podsWithoutCgroup": 0,
    "unknownLeaves": 0,
    "kills": 2,
    "kernelKills": 0,
    "lastDecision": {"id": "x-1", "time": "2026-11-24T01:53:49Z", "outcome": "Killed", "victim": "shop/batch/main"},
    "problems": ["Swap is off"],
}


def test_says_what_the_guard_says_in_the_words_of_the_api() -> None:
    assert status_of(REPORT, problems=["Policy x"], kubelet_hard_eviction_bytes=104857600) == {
        "agentPodUID": "9d0e",
        "lastReportTime": "2026-11-24T01:53:49Z",
        "policies": [{"name": "mixed", "uid": "6f1c", "generation": 3, "mode": "Enforce"}],
        "mode": "Enforce",
        "backend": "Userspace",
        "reasons": REPORT["reasons"],
        "thresholdBytes": 209715200,
        "marginBytes": 734003200,
        "kubeletHardEvictionBytes": 104857600,
        "survivableGrowthBytesPerSecond": 419430400,
        "targetsMapped": 7,
        "podsWithoutCgroup": 0,
        "kills": 2,
        "kernelKills": 0,
        "lastDecision": REPORT["lastDecision"],
        "problems": ["Swap is off", "Policy x"],
    }


def test_a_guard_without_a_policy_has_neither_policies_nor_mode() -> None:
    status = status_of(
        {**REPORT, "policy": None, "backend": "Off", "lastDecision": None, "survivableGrowthBytesPerSecond": None}
    )
    assert status["policies"] == []
    assert not {"mode", "lastDecision", "survivableGrowthBytesPerSecond"} & status.keys()


def test_is_cut_to_the_bounds_of_the_api() -> None:
    long = {**REPORT, "problems": [f"{i:04}" * 500 for i in range(20)]}
    long["reasons"] = [{"backend": "KernelHook", "reason": "A", "message": "m" * 5000}] * 2
    long["lastDecision"] = {**REPORT["lastDecision"], "victim": "/" * 900}
    status = status_of(long)
    assert [len(problem) for problem in status["problems"]] == [1024] * 16
    assert [len(reason["message"]) for reason in status["reasons"]] == [1024]
    assert len(status["lastDecision"]["victim"]) == 512


def test_a_margin_below_zero_is_said_as_zero() -> None:
    assert status_of({**REPORT, "marginBytes": -4096})["marginBytes"] == 0


def test_the_same_problem_is_said_once() -> None:
    assert status_of(REPORT, problems=["Swap is off"])["problems"] == ["Swap is off"]


def test_a_report_that_is_none_is_named_by_its_field() -> None:
    with pytest.raises(ValueError, match=r"^kills: Input should be a valid integer.*found 'many'"):
        status_of({**REPORT, "kills": "many"})


STATUS = {"kills": 0, "targetsMapped": 3, "marginBytes": 5, "lastReportTime": "t0"}


@pytest.mark.parametrize(
    ("change", "age_seconds", "due"),
    [
        pytest.param({"kills": 1}, 0.9, False, id="kill-within-a-second"),
        pytest.param({"kills": 1}, 1.0, True, id="kill"),
        pytest.param({"problems": ["x"]}, 1.0, True, id="new-field"),
        pytest.param({"targetsMapped": 4}, 9.9, False, id="target-soon"),
        pytest.param({"targetsMapped": 4}, 10.0, True, id="target"),
        pytest.param({"marginBytes": 6, "lastReportTime": "t1"}, 59.9, False, id="margin-soon"),
        pytest.param({"marginBytes": 6, "lastReportTime": "t1"}, 60.0, True, id="margin"),
        pytest.param({}, 3600.0, False, id="a-dead-guard-is-not-kept-alive"),
    ],
)
def test_what_matters_is_written_soon_and_what_moves_seldom(
    change: dict[str, Any], age_seconds: float, *, due: bool
) -> None:
    assert is_due(STATUS | change, Written(STATUS, 100.0), 100.0 + age_seconds) is due


def test_the_first_status_is_due_at_once() -> None:
    assert is_due(STATUS, None, 0.0)
