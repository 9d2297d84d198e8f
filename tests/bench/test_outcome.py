"""A run is judged by who died first, by whose hand, and whether crit lives."""

from typing import Any

import pytest

from bench.outcome import Outcome, outcome_of
from bench.scenarios import BATCH, HOG

PIDS = {"crit": 100, "batch": 200, "hog": 300}


def death(name: str, at: float, *, by_kernel: bool = False, margin_mebibytes: int = 80) -> dict[str, Any]:
    return {"name": name, "at": at, "byKernel": by_kernel, "margin": margin_mebibytes << 20}


def record(*deaths: dict[str, Any], low_at: float | None = 10.0, hog_was_ended: bool = True) -> dict[str, Any]:
    """What the watcher prints."""
    return {
        "pids": PIDS,
        "deaths": list(deaths),
        "survivors": [name for name in PIDS if name not in {entry["name"] for entry in deaths}],
        "hogWasEnded": hog_was_ended,
        "lowAt": low_at,
        "lowest": 40 << 20,
        "lowestNode": 60 << 20,
        "longestLook": 0.05,
        "crit": {"quiet": 20.0, "longest": 150.0},
        "killer": {"idlePercent": 0.4, "residentKiB": 2048, "lockedKiB": 3072, "isAlive": True},
    }


def outcome(*deaths: dict[str, Any], said: str = "") -> Outcome:
    return outcome_of("earlyoom", "A", record(*deaths), said)


@pytest.mark.parametrize(
    ("deaths", "hog_was_ended", "right"),
    [
        pytest.param(["batch", "hog"], True, True, id="batch-then-hog"),
        pytest.param(["hog"], True, False, id="hog-only"),
        pytest.param(["batch", "crit", "hog"], True, False, id="crit-died"),
        pytest.param(["batch"], False, False, id="hog-was-never-stopped"),
        pytest.param([], False, False, id="nobody-died"),
    ],
)
def test_a_run_is_right_when_batch_dies_first_crit_lives_and_the_hog_is_stopped(
    deaths: list[str], hog_was_ended: bool, right: bool
) -> None:
    told = record(*(death(name, 11.0 + place) for place, name in enumerate(deaths)), hog_was_ended=hog_was_ended)
    assert outcome_of("earlyoom", "A", told, "").is_right is right


@pytest.mark.parametrize(
    ("by_kernel", "said", "by"),
    [
        pytest.param(True, "sending SIGTERM to process 300 uid 0", "kernel", id="the-kernel-counted-it"),
        pytest.param(False, 'sending SIGTERM to process 300 uid 0 "python3"', "earlyoom", id="named-by-process"),
        pytest.param(False, f"Killed /kubepods/{HOG.container_id} due to", "earlyoom", id="named-by-container"),
        pytest.param(False, f'{{"pod": {{"uid": "{HOG.uid}"}}}}', "earlyoom", id="named-by-pod"),
        pytest.param(False, "sending SIGTERM to process 3001 uid 0", "?", id="another-process"),
        pytest.param(False, f"Killed /kubepods/{BATCH.container_id}", "?", id="another-container"),
    ],
)
def test_a_death_is_the_kernels_if_it_counted_it_and_the_killers_if_it_says_so(
    by_kernel: bool, said: str, by: str
) -> None:
    assert outcome(death("hog", 12.0, by_kernel=by_kernel), said=said).deaths[0].by == by


@pytest.mark.parametrize(
    ("low_at", "at", "wait"),
    [
        pytest.param(10.0, 10.7, 0.7, id="after"),
        pytest.param(10.0, 9.5, -0.5, id="before-it-was-low"),
        pytest.param(None, 9.5, None, id="never-low"),
    ],
)
def test_the_wait_counts_from_the_first_low_margin_to_the_first_death(
    low_at: float | None, at: float, wait: float | None
) -> None:
    told = record(death("batch", at), death("hog", at + 5), low_at=low_at)
    found = outcome_of("earlyoom", "A", told, "").margin_to_kill_seconds
    assert found == (None if wait is None else pytest.approx(wait))


def test_the_pause_of_a_dead_workload_is_not_counted() -> None:
    assert outcome(death("crit", 11.0)).pause_milliseconds is None
    assert outcome(death("hog", 11.0)).pause_milliseconds == 150.0


def test_the_kernel_alone_has_no_memory_of_its_own() -> None:
    alone = outcome_of("kernel", "A", record(death("hog", 12.0, by_kernel=True)) | {"killer": None}, "")
    assert (alone.resident_mebibytes, alone.idle_percent, alone.killer_lives) == (None, None, None)


def test_an_outcome_survives_its_file() -> None:
    kept = outcome(death("batch", 11.0), death("hog", 16.0, by_kernel=True))
    assert Outcome.from_json(kept.to_json()) == kept
