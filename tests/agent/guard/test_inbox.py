"""The last good targets stay in force, whatever happens to the file."""

import json
import os
from pathlib import Path

import pytest

from oompolicy_agent.guard.inbox import LIMIT, Inbox
from oompolicy_agent.guard.log import Log

POLICY = {"name": "mixed", "uid": "6f1c", "generation": 1, "mode": "Enforce"}


def put(path: Path, text: str) -> None:
    """As sync does."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


def targets(generation: int = 1) -> str:
    return json.dumps({"formatVersion": 1, "policy": POLICY | {"generation": generation}, "pods": []})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "targets.json"


@pytest.fixture
def inbox(path: Path) -> Inbox:
    return Inbox(str(path), Log())


def generation(inbox: Inbox) -> int | None:
    return inbox.targets.policy.generation if inbox.targets.policy else None


def error_lines(capfd: pytest.CaptureFixture[str]) -> list[str]:
    return [line for line in capfd.readouterr().out.splitlines() if '"severity": "error"' in line]


def test_nothing_is_wrong_before_sync_has_written(inbox: Inbox) -> None:
    assert not inbox.refresh()
    assert inbox.targets.policy is None
    assert inbox.problems == ()


def test_takes_what_is_new(inbox: Inbox, path: Path) -> None:
    put(path, targets(1))
    assert inbox.refresh()
    put(path, targets(2))
    assert inbox.refresh()
    assert generation(inbox) == 2


def test_reads_a_file_once(inbox: Inbox, path: Path) -> None:
    put(path, targets(1))
    assert inbox.refresh()
    assert not inbox.refresh()


def test_a_damaged_file_changes_nothing_but_one_error_line(
    inbox: Inbox, path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    put(path, targets(1))
    inbox.refresh()
    put(path, targets(2)[:-5])
    assert not inbox.refresh()
    assert not inbox.refresh()
    assert generation(inbox) == 1
    (line,) = error_lines(capfd)
    assert str(path) in line
    assert str(path) in inbox.problems[0]


def test_a_good_file_after_a_damaged_one_clears_the_problem(inbox: Inbox, path: Path) -> None:
    put(path, "{")
    inbox.refresh()
    put(path, targets(2))
    assert inbox.refresh()
    assert (generation(inbox), inbox.problems) == (2, ())


def test_a_file_that_was_taken_away_changes_nothing(inbox: Inbox, path: Path) -> None:
    put(path, targets(1))
    inbox.refresh()
    path.unlink()
    assert not inbox.refresh()
    assert generation(inbox) == 1


def link(path: Path) -> None:
    secret = path.with_name("secret.json")
    secret.write_text(targets(9))
    path.symlink_to(secret)


def pipe(path: Path) -> None:
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.mkdir()


def too_large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(LIMIT + 1)


@pytest.mark.parametrize("trap", [link, pipe, folder, too_large], ids=lambda trap: trap.__name__)
def test_refuses_what_is_no_plain_small_file(
    trap: object, inbox: Inbox, path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert callable(trap)
    put(path, targets(1))
    inbox.refresh()
    path.unlink()
    trap(path)
    assert not inbox.refresh()
    assert generation(inbox) == 1
    assert len(error_lines(capfd)) == 1
