"""The last good targets stay in force, whatever happens to the file."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from oompolicy_agent.guard import inbox as module
from oompolicy_agent.guard.disk import Disk
from oompolicy_agent.guard.files import make_directory
from oompolicy_agent.guard.inbox import LIMIT, Inbox
from oompolicy_agent.guard.last_good import LastGood
from oompolicy_agent.guard.log import Log
from oompolicy_agent.guard.settings import Limits

POLICY = {"name": "mixed", "uid": "6f1c", "generation": 1, "mode": "Enforce"}


def put(path: Path, text: str) -> None:
    """As sync does."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


def targets(generation: int = 1, **root: object) -> str:
    return json.dumps({"formatVersion": 1, "policy": POLICY | {"generation": generation}, "pods": []} | root)


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


def lines(capfd: pytest.CaptureFixture[str], severity: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    return [line for line in found if line["severity"] == severity]


class Guards:
    """Guards that follow one another on one host; what one had to keep is on its disk when it ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._folder = make_directory(str(path.parent / "state"), 0o755)

    def start(self, path: Path | None = None) -> Inbox:
        """A guard's first look; returns its inbox."""
        disk, log, source = Disk(), Log(), str(path or self._path)
        inbox = Inbox(source, log, last_good=LastGood(self._folder, disk, source, log))
        inbox.refresh()
        assert disk.wait(10)
        return inbox


@pytest.fixture
def guards(path: Path) -> Guards:
    return Guards(path)


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


def test_a_file_that_cannot_be_read_just_now_is_read_at_the_next_look(
    inbox: Inbox, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_path: str, _limit: int) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    put(path, targets(1))
    with monkeypatch.context() as patch:
        patch.setattr(module, "read_hostile", fail)
        assert not inbox.refresh()
        assert inbox.problems
    assert inbox.refresh()
    assert (generation(inbox), inbox.problems) == (1, ())


def test_a_link_is_called_by_its_name(inbox: Inbox, path: Path) -> None:
    link(path)
    inbox.refresh()
    assert inbox.problems == (
        f"{path} was refused, there are no others yet: expected a regular file, found a link: {path}",
    )


def test_a_file_that_is_written_in_place_is_taken_once_it_is_whole(inbox: Inbox, path: Path) -> None:
    path.write_text(targets(1)[:-5])
    assert not inbox.refresh()
    with path.open("a") as file:
        file.write(targets(1)[-5:])
    assert inbox.refresh()
    assert (generation(inbox), inbox.problems) == (1, ())


@pytest.mark.parametrize(
    ("path", "directory"),
    [("/a/b/targets.json", "/a/b"), ("/targets.json", "/"), ("targets.json", "."), ("b/targets.json", "b")],
)
def test_says_which_directory_to_watch(path: str, directory: str) -> None:
    assert Inbox(path, Log()).directory == directory


def test_goes_by_the_guards_own_numbers_where_the_policy_says_none(path: Path) -> None:
    inbox = Inbox(str(path), Log(), limits=Limits(threshold_bytes=123))
    put(path, targets(1))
    inbox.refresh()
    assert inbox.targets.policy
    assert inbox.targets.policy.limits == Limits(threshold_bytes=123)


def test_says_once_that_there_is_no_file_yet(inbox: Inbox, path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    inbox.refresh()
    inbox.refresh()
    (line,) = lines(capfd, "info")
    assert (line["message"], line["path"]) == ("No targets yet", str(path))


def test_warns_of_unknown_fields_once_for_each_set_of_them(
    inbox: Inbox, path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for number, root in enumerate([{"new": 1}, {"new": 2}, {}, {"new": 3}, {"new": 1, "newer": 1}]):
        put(path, targets(number, **root))
        assert inbox.refresh()
        assert inbox.problems == ()
    assert [line["fields"] for line in lines(capfd, "warning")] == [["new"], ["new", "newer"]]


def test_warns_of_a_bounded_number_of_sets_of_unknown_fields(
    inbox: Inbox, path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for number in range(30):
        put(path, targets(number, **{f"new{number}": 1}))
        assert inbox.refresh()
    assert len(lines(capfd, "warning")) == 16


def test_a_guard_that_starts_with_a_damaged_file_goes_on_with_the_last_good_one(
    guards: Guards, path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    put(path, targets(1))
    guards.start()
    capfd.readouterr()
    put(path, targets(2)[:-5])
    inbox = guards.start()
    assert generation(inbox) == 1
    assert str(path) in inbox.problems[0]
    (line,) = lines(capfd, "warning")
    assert line["message"] == "Targets are damaged, those accepted before stay in force"
    assert not inbox.refresh()
    put(path, targets(3))
    assert inbox.refresh()
    assert (generation(inbox), inbox.problems) == (3, ())


def test_guards_that_start_again_and_again_with_a_damaged_file_keep_the_last_good_one(
    guards: Guards, path: Path
) -> None:
    put(path, targets(1))
    guards.start()
    put(path, "{")
    assert [generation(guards.start()) for _ in range(3)] == [1, 1, 1]


def test_a_guard_that_starts_without_a_file_is_told_nothing(guards: Guards, path: Path) -> None:
    put(path, targets(1))
    guards.start()
    path.unlink()
    inbox = guards.start()
    assert (generation(inbox), inbox.problems) == (None, ())


def test_a_file_that_comes_damaged_after_the_start_brings_nothing_back(guards: Guards, path: Path) -> None:
    put(path, targets(1))
    guards.start()
    path.unlink()
    inbox = guards.start()
    put(path, "{")
    assert not inbox.refresh()
    assert generation(inbox) is None


def test_what_was_accepted_from_one_file_says_nothing_about_another(guards: Guards, path: Path) -> None:
    put(path, targets(1))
    guards.start()
    other = path.with_name("other.json")
    put(other, "{")
    assert generation(guards.start(other)) is None


def test_a_damaged_file_is_refused_where_no_good_one_was_before(
    guards: Guards, path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    put(path, "{")
    assert generation(guards.start()) is None
    (line,) = lines(capfd, "error")
    assert line["message"] == "Refused targets, there are no others yet"


@pytest.mark.parametrize("content", [b"", b"{", b"\x00" * 100], ids=["empty", "cut", "zeros"])
def test_a_damaged_copy_is_no_help_and_no_harm(
    content: bytes, guards: Guards, path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    put(path, targets(1))
    guards.start()
    copy = path.parent / "state/last-good-targets"
    copy.write_bytes(copy.read_bytes().partition(b"\n")[0] + b"\n" + content)
    put(path, "{")
    assert generation(guards.start()) is None
    assert len(error_lines(capfd)) == 1
