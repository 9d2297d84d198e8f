"""The journal survives crashes, is never edited, and tells the next guard what it must know."""

import json
import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from oompolicy_agent.guard import journal as module
from oompolicy_agent.guard.clock import stamp
from oompolicy_agent.guard.disk import Disk
from oompolicy_agent.guard.history import History, kill_times, recall
from oompolicy_agent.guard.journal import Journal
from oompolicy_agent.guard.log import Log
from oompolicy_agent.guard.ring import Ring


class Desk:
    """A journal in a folder, with its disk."""

    def __init__(self, folder: Path) -> None:
        self.directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        self.ring_directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        self.disk = Disk()
        self.ring = Ring(self.ring_directory, Log())
        self.journal = Journal(self.directory, Log(), self.disk, self.ring)

    def write(self, *records: dict[str, object]) -> None:
        """Writes and waits for the disk, as the passes of the loop do."""
        for record in records:
            self.journal.write(record, self.ring.put(record))
            self.settle()

    def settle(self) -> None:
        """Lets the disk come to rest."""
        assert self.disk.wait(10)
        self.journal.flush()
        assert self.disk.wait(10)

    def close(self) -> None:
        """Frees the descriptors."""
        os.close(self.directory)
        os.close(self.ring_directory)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.close()


def record(name: str, outcome: str = "Killed", seconds: float = 1000.0) -> dict[str, object]:
    return {"id": name, "outcome": outcome, "time": stamp(seconds)}


def recalled(*records: dict[str, object], ring: tuple[dict[str, object], ...] = ()) -> History:
    return recall((json.dumps(one).encode() for one in records), ring)


def test_appends_a_line_for_each_record(desk: Desk, tmp_path: Path) -> None:
    desk.write({"id": "a"}, {"id": "b"})
    assert (tmp_path / "decisions.jsonl").read_text() == '{"id": "a"}\n{"id": "b"}\n'
    assert desk.journal.tail() == [b'{"id": "a"}', b'{"id": "b"}']


def test_what_is_on_disk_leaves_the_ring(desk: Desk) -> None:
    desk.write({"id": "a"})
    assert desk.ring.left() == {}


def test_goes_on_after_a_record_that_a_crash_cut_short_and_says_so(
    desk: Desk, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "decisions.jsonl").write_text('{"id": "a"}\n{"id": ')
    desk.journal.tail()
    assert "ends in the middle of a record" in capfd.readouterr().out
    desk.write({"id": "b"})
    assert (tmp_path / "decisions.jsonl").read_text() == '{"id": "a"}\n{"id": \n{"id": "b"}\n'


def test_starts_another_file_when_this_one_is_large(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LARGEST", 100)
    desk.write({"id": "a" * 100}, {"id": "b"})
    assert "aaa" in (tmp_path / "decisions.jsonl.1").read_text()
    assert (tmp_path / "decisions.jsonl").read_text() == '{"id": "b"}\n'
    assert [json.loads(line)["id"][:1] for line in desk.journal.tail()] == ["a", "b"]


def test_a_disk_that_fails_is_reported_once_and_what_waits_is_written_later(
    desk: Desk, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.0)
    (tmp_path / "decisions.jsonl").symlink_to("/dev/full")
    desk.write({"id": "a"}, {"id": "b"})
    desk.journal.flush()
    assert "2 records wait" in (desk.journal.problem or "")
    assert sorted(str(one["id"]) for one in desk.ring.left().values()) == ["a", "b"], "a crash would lose none"
    (tmp_path / "decisions.jsonl").unlink()
    desk.settle()
    desk.settle()
    assert (tmp_path / "decisions.jsonl").read_text() == '{"id": "a"}\n{"id": "b"}\n'
    assert (desk.journal.problem, desk.ring.left()) == (None, {})
    assert capfd.readouterr().out.count("Could not write the journal") == 1


def test_a_record_that_is_written_in_part_is_taken_back(desk: Desk, tmp_path: Path) -> None:
    """A disk that fills up in the middle of a line; the limit on a file's size fails in the same way."""
    desk.write({"id": "a"})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20, before[1]))
        desk.journal.write({"id": "b" * 100})
        assert desk.disk.wait(10)
        assert (tmp_path / "decisions.jsonl").read_text() == '{"id": "a"}\n'
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_no_more_than_so_many_records_wait_and_the_lost_are_counted(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 2)
    (tmp_path / "decisions.jsonl").symlink_to("/dev/full")
    desk.write({"id": "a"}, {"id": "b"}, {"id": "c"})
    desk.journal.flush()
    assert "1 records are lost" in (desk.journal.problem or "")


def test_what_was_pending_is_interrupted_and_unwritten() -> None:
    history = recalled(record("a"), ring=(record("b", "Pending"),))
    assert [(one["id"], one["outcome"]) for one in history.unwritten] == [("b", "Interrupted")]


def test_of_an_intent_and_its_complete_record_the_complete_one_counts() -> None:
    history = recalled(ring=(record("b"), record("b", "Pending")))
    assert [(one["id"], one["outcome"]) for one in history.unwritten] == [("b", "Killed")]


def test_what_the_journal_has_is_not_written_twice() -> None:
    assert recalled(record("a"), ring=(record("a"), record("a", "Pending"))).unwritten == ()


def test_remembers_the_last_decision() -> None:
    assert (recalled(record("a"), record("b")).last or {})["id"] == "b"
    assert (recalled(record("a"), ring=(record("b", "Pending"),)).last or {})["outcome"] == "Interrupted"


def test_remembers_when_kills_were_and_counts_each_once() -> None:
    nothing = record("n", outcome="NothingEligible", seconds=50.0)
    kernel = record("k", outcome="KernelKilled", seconds=60.0)
    history = recalled(record("a", seconds=10.0), nothing, kernel, ring=(record("b", "Pending", 20.0),))
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
        pytest.param(b'{"outcome": "Killed", "time": 7, "id": [1]}', id="wrong-types"),
        pytest.param(b"[" * 100_000, id="nested-too-deeply"),
    ],
)
def test_lines_that_are_no_records_are_passed_over(line: bytes) -> None:
    history = recall([line, json.dumps(record("a")).encode()])
    assert (history.last or {})["id"] == "a"
    assert len(history.kill_times) == 1
