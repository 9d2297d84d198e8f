"""Which decisions go, and whose pods are evicted."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from oompolicy_api.conditions import Condition
from oompolicy_operator.decisions import Kept, Verdict, answered, condition, judge, kept, surplus

NOW = datetime(2026, 11, 25, 14, 0, tzinfo=UTC)
VICTIM = {"path": "/kubepods/podx/c", "namespace": "shop", "pod": "batch", "podUID": "u-1"}


def body(name: str = "w1.d1", minutes_ago: float = 1, status: Any = None, **spec: Any) -> dict[str, Any]:  # noqa: ANN401
    time = (NOW - timedelta(minutes=minutes_ago)).isoformat()
    fixed = {"id": "d1", "node": "w1", "time": time, "domain": "/", "mode": "Enforce", "outcome": "Killed"}
    return {"metadata": {"name": name, "uid": "u-d"}, "spec": fixed | {"evict": True, "victim": VICTIM} | spec} | (
        {"status": status} if status else {}
    )


def decision(**more: Any) -> Kept:  # noqa: ANN401 - as body()
    found = kept(body(**more))
    assert found
    return found


def settled(reason: str, status: str = "False") -> dict[str, Any]:
    given = {
        "type": "Evicted",
        "status": status,
        "reason": reason,
        "message": "m",
        "lastTransitionTime": NOW.isoformat(),
    }
    return {"conditions": [given]}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(body(), True, id="asked-for"),
        pytest.param(body(evict=None), False, id="not-asked-for"),
        pytest.param(body(victim=None), False, id="no-victim"),
        pytest.param(body(victim={"path": "/system.slice/backup.service"}), False, id="no-pod"),
        pytest.param(body(status=settled("Evicted", "True")), False, id="done"),
        pytest.param(body(status=settled("PodGone")), False, id="pod-gone"),
        pytest.param(body(status=settled("DisruptionBudget")), True, id="forbidden-for-now"),
    ],
)
def test_an_eviction_is_wanted_until_it_is_settled(given: dict[str, Any], *, expected: bool) -> None:
    found = kept(given)
    assert found
    assert found.wants_eviction is expected


def test_what_cannot_be_read_is_left_alone() -> None:
    assert kept({"metadata": {"name": "a"}, "spec": {"id": "x"}}) is None


POD = {"metadata": {"uid": "u-1"}, "spec": {"nodeName": "w1"}}


@pytest.mark.parametrize(
    ("given", "pod", "reason"),
    [
        pytest.param({}, POD, None, id="its-pod-on-its-node"),
        pytest.param({}, None, "PodGone", id="no-such-pod"),
        pytest.param({}, {**POD, "metadata": {"uid": "u-2"}}, "PodGone", id="another-pod-of-the-same-name"),
        pytest.param({}, {**POD, "spec": {"nodeName": "w2"}}, "Refused", id="on-another-node"),
        pytest.param({"minutes_ago": 11}, POD, "TooLate", id="long-ago"),
    ],
)
def test_only_the_pod_that_was_killed_is_evicted(
    given: dict[str, Any], pod: dict[str, Any] | None, reason: str | None
) -> None:
    verdict = judge(decision(**given), pod, NOW)
    assert (verdict and verdict.reason) == reason


@pytest.mark.parametrize(
    ("status", "reason", "is_final"),
    [
        pytest.param(429, "DisruptionBudget", False, id="budget"),
        pytest.param(404, "PodGone", True, id="gone"),
        pytest.param(409, "PodGone", True, id="replaced"),
        pytest.param(403, "Refused", True, id="forbidden"),
    ],
)
def test_what_the_api_server_answers_decides_whether_to_try_again(status: int, reason: str, *, is_final: bool) -> None:
    verdict = answered(status, "words")
    assert (verdict.reason, verdict.is_final) == (reason, is_final)


def test_a_condition_keeps_its_time_while_its_status_is_the_same() -> None:
    before = NOW - timedelta(minutes=5)
    old = Condition(type="Evicted", status="False", reason="DisruptionBudget", message="m", last_transition_time=before)
    assert condition(Verdict("TooLate", "m"), [old], NOW).last_transition_time == before
    done = condition(Verdict("Evicted", "m"), [old], NOW)
    assert (done.status, done.last_transition_time) == ("True", NOW)


def many(*minutes_ago: float) -> list[Kept]:
    return [decision(name=f"d{age}", minutes_ago=age) for age in minutes_ago]


@pytest.mark.parametrize(
    ("keep", "days", "expected"),
    [
        pytest.param(9, 9, [], id="few-and-young"),
        pytest.param(2, 9, ["d3000", "d5"], id="too-many"),
        pytest.param(9, 1, ["d3000"], id="too-old"),
        pytest.param(0, 1, ["d3000", "d5", "d3", "d1"], id="none-is-kept"),
    ],
)
def test_the_oldest_go_first(keep: int, days: int, expected: list[str]) -> None:
    assert surplus(many(3, 3000, 1, 5), now=NOW, keep=keep, most_days=days) == expected
