"""The journal survives crashes, is never edited, and tells the next guard what it must know."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from oompolicy_agent.guard import journal as module
from oompolicy_agent.guard.clock import stamp
from oompolicy_agent.guard.disk import Disk
from oompolicy_agent.guard.history import History, interrupted, kill_times, recall
from oompolicy_agent.guard.journal import Journal
from oompolicy_agent.guard.log import Log


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


def record(name: str, phase: str = "Finished", outcome: str = "Killed", seconds: float = 1000.0) -> dict[str, object]:
    return {"id": name, "phase": phase, "outcome": outcome, "time": stamp(seconds)}


def decided(name: str, seconds: float = 1000.0) -> dict[str, object]:
    return record(name, "Decided", "Pending", seconds)


def recalled(*records: dict[str, object]) -> History:
    return recall(json.dumps(one).encode() for one in records)


def test_appends_a_line_for_each_record(directory: int, tmp_path: Path) -> None:
    journal = Journal(directory, Log(), Disk())
    journal.write({"id": "a"})
    journal.write({"id": "b"})
    assert (tmp_path / "decisions.jsonl").read_text() == '{"id": "a"}\n{"id": "b"}\n'
    assert journal.tail() == [b'{"id": "a"}', b'{"id": "b"}']


def test_goes_on_after_a_record_that_a_crash_cut_short(directory: int, tmp_path: Path) -> None:
    (tmp_path / "decisions.jsonl").write_text('{"id": "a"}\n{"id": ')
    Journal(directory, Log(), Disk()).write({"id": "b"})
    assert (tmp_path / "decisions.jsonl").read_text() == '{"id": "a"}\n{"id": \n{"id": "b"}\n'


def test_starts_another_file_when_this_one_is_large(
    directory: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LARGEST", 100)
    journal = Journal(directory, Log(), Disk())
    journal.write({"id": "a" * 100})
    journal.flush()
    journal.write({"id": "b"})
    assert "aaa" in (tmp_path / "decisions.jsonl.1").read_text()
    assert (tmp_path / "decisions.jsonl").read_text() == '{"id": "b"}\n'
    assert [json.loads(line)["id"][:1] for line in Journal(directory, Log(), Disk()).tail()] == ["a", "b"]


def test_a_disk_that_fails_is_reported_once_and_stops_nothing(
    directory: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "decisions.jsonl").symlink_to("/dev/full")
    with pytest.raises(OSError, match="decisions"):
        Journal(directory, Log(), Disk())
    (tmp_path / "decisions.jsonl").unlink()
    journal = Journal(directory, Log(), Disk())
    os.dup2(os.open("/dev/full", os.O_WRONLY), journal._descriptor)  # noqa: SLF001 - no other way to a full disk
    journal.write({"id": "a"})
    journal.write({"id": "b"})
    assert "No space left" in (journal.problem or "")
    assert capfd.readouterr().out.count("Could not write the journal") == 1


def test_a_decision_without_its_end_is_open() -> None:
    history = recalled(decided("a"), record("a"), decided("b"))
    assert [one["id"] for one in history.open] == ["b"]
    assert interrupted(history.open[0])["outcome"] == "Interrupted"
    assert interrupted(history.open[0])["phase"] == "Finished"


def test_an_interrupted_decision_is_open_no_more() -> None:
    assert recalled(decided("a"), interrupted(decided("a"))).open == ()


def test_remembers_the_last_decision() -> None:
    assert (recalled(record("a"), record("b"), decided("c")).last or {})["id"] == "b"


def test_remembers_when_kills_were_and_counts_each_once() -> None:
    nothing = record("n", outcome="NothingEligible", seconds=50.0)
    kernel = record("k", outcome="KernelKilled", seconds=60.0)
    history = recalled(decided("a", 10.0), record("a", seconds=10.0), nothing, kernel, decided("b", 20.0))
    assert history.kill_times == (10.0, 20.0)


def test_kills_of_the_guard_before_bind_the_budget_of_this_one() -> None:
    assert kill_times(History(kill_times=(90.0, 99.0)), monotonic=1000.0, wall=100.0) == [990.0, 999.0]


def test_a_clock_that_was_set_back_makes_them_now() -> None:
    assert kill_times(History(kill_times=(500.0,)), monotonic=1000.0, wall=100.0) == [1000.0]


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b'{"id": ', id="cut-short"),
        pytest.param(b"[]", id="no-object"),
        pytest.param(b"\xff", id="not-utf-8"),
        pytest.param(b'{"phase": "Finished", "time": 7, "id": [1]}', id="wrong-types"),
        pytest.param(b"[" * 100_000, id="nested-too-deeply"),
    ],
)
def test_lines_that_are_no_records_are_passed_over(line: bytes) -> None:
    history = recall([line, json.dumps(decided("a")).encode()])
    assert [one["id"] for one in history.open] == ["a"]
