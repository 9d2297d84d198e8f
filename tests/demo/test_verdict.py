"""The demo succeeds only if exactly what it promises happened."""

from typing import Any

import pytest

from demo.verdict import Outcome, outcome_of, wrong


def dead(name: str, how: str = "exit code 137") -> Outcome:
    return Outcome(name=name, phase="Failed", restarts=0, died_at="2026-11-24T10:00:00Z", how=how)


def alive(name: str, restarts: int = 0) -> Outcome:
    return Outcome(name=name, phase="Running", restarts=restarts, died_at=None, how=None)


def killed(*pods: str) -> list[dict[str, Any]]:
    return [{"victim": {"pod": pod}} for pod in pods]


GOOD = (dead("batch"), dead("hog"), alive("shop-db"))
NODE = {"kills": 2, "kernelKills": 0}


def test_nothing_is_wrong_when_batch_dies_then_hog_and_the_database_lives() -> None:
    assert wrong(GOOD, killed("batch", "hog"), ["batch", "hog"], NODE) == []


@pytest.mark.parametrize(
    ("outcomes", "decisions", "events", "node", "fault"),
    [
        pytest.param(GOOD, killed("hog", "batch"), ["batch", "hog"], NODE, "killed ['hog', 'batch']", id="wrong-order"),
        pytest.param(GOOD, [], ["batch", "hog"], {"kills": 0}, "killed nothing", id="guard-did-nothing"),
        pytest.param(
            (dead("batch", "Evicted"), *GOOD[1:]),
            killed("batch", "hog"),
            ["batch", "hog"],
            NODE,
            "Evicted",
            id="evicted",
        ),
        pytest.param(
            (*GOOD[:2], alive("shop-db", restarts=1)),
            killed("batch", "hog"),
            ["batch", "hog"],
            NODE,
            "1 restarts",
            id="database-restarted",
        ),
        pytest.param(GOOD, killed("batch", "hog"), ["hog"], NODE, "batch has no Event", id="no-event"),
        pytest.param(
            GOOD,
            killed("batch", "hog"),
            ["batch", "hog"],
            NODE | {"kernelKills": 1},
            "killed 1 times",
            id="kernel-killed",
        ),
        pytest.param(GOOD, killed("batch", "hog"), ["batch", "hog"], {"kills": 3}, "it says 3", id="one-kill-too-many"),
    ],
)
def test_each_difference_from_the_promise_is_named(
    outcomes: tuple[Outcome, ...], decisions: list[dict[str, Any]], events: list[str], node: dict[str, Any], fault: str
) -> None:
    (sentence,) = wrong(outcomes, decisions, events, node)
    assert fault in sentence


def test_a_pod_that_was_killed_is_read_from_its_status() -> None:
    end = {"terminated": {"exitCode": 137, "finishedAt": "2026-11-24T10:00:00Z"}}
    status = {"phase": "Failed", "containerStatuses": [{"restartCount": 0, "state": end}]}
    assert outcome_of({"metadata": {"name": "batch"}, "status": status}) == dead("batch")


def test_an_eviction_by_kubelet_is_not_taken_for_a_kill() -> None:
    status = {"phase": "Failed", "reason": "Evicted"}
    assert outcome_of({"metadata": {"name": "batch"}, "status": status}).how == "Evicted"
