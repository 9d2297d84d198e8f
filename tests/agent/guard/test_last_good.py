"""The last good targets are kept without the guard's waiting for a disk."""

import stat
import threading
from pathlib import Path

import pytest

from oompolicy_agent.guard import last_good
from oompolicy_agent.guard.disk import Disk
from oompolicy_agent.guard.files import make_directory
from oompolicy_agent.guard.last_good import LastGood
from oompolicy_agent.guard.log import Log

SOURCE = "/var/lib/oompolicy/inbox/targets.json"


class SlowDisk(Disk):
    """Ends its tasks when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.may_end = threading.Event()

    def start(self, task: object) -> None:
        """As the real one, later."""
        assert callable(task)
        super().start(lambda: (self.may_end.wait(10), task())[1])


@pytest.fixture
def folder(tmp_path: Path) -> int:
    return make_directory(str(tmp_path / "state"), 0o755)


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def kept(folder: int, disk: Disk) -> LastGood:
    return LastGood(folder, disk, SOURCE, Log())


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause between two writes."""
    monkeypatch.setattr(last_good, "INTERVAL", 0.0)


def test_there_is_nothing_at_first(kept: LastGood) -> None:
    assert kept.load() is None


def test_gives_back_what_was_kept(kept: LastGood, disk: Disk, folder: int) -> None:
    document = b'{\n"a": 1}\n\n'
    kept.save(document)
    assert disk.wait(10)
    assert LastGood(folder, Disk(), SOURCE, Log()).load() == document


def test_nobody_but_the_guard_may_read_or_write_it(kept: LastGood, disk: Disk, tmp_path: Path) -> None:
    kept.save(b"{}")
    assert disk.wait(10)
    (path,) = (tmp_path / "state").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_copy_of_another_file_is_none_of_this_one(kept: LastGood, disk: Disk, folder: int) -> None:
    kept.save(b"{}")
    assert disk.wait(10)
    assert LastGood(folder, Disk(), SOURCE + "x", Log()).load() is None


@pytest.mark.usefixtures("_at_once")
def test_a_busy_disk_gets_the_latest_later(folder: int) -> None:
    disk = SlowDisk()
    kept = LastGood(folder, disk, SOURCE, Log())
    for document in (b"1", b"2", b"3"):
        kept.save(document)
    assert kept.load() is None
    disk.may_end.set()
    assert disk.wait(10)
    assert kept.load() == b"1"
    kept.flush()
    assert disk.wait(10)
    assert kept.load() == b"3"


def test_does_not_write_for_every_pod_that_comes_and_goes(
    kept: LastGood, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    kept.save(b"1")
    assert disk.wait(10)
    now += 9.9
    kept.save(b"2")
    assert disk.wait(10)
    assert kept.load() == b"1"
    now += 0.1
    kept.flush()
    assert disk.wait(10)
    assert kept.load() == b"2"


@pytest.mark.usefixtures("_at_once")
def test_a_disk_that_fails_is_said_once_and_tried_again(
    kept: LastGood, disk: Disk, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    obstacle = tmp_path / "state/.last-good-targets.new"
    obstacle.mkdir()
    kept.save(b"1")
    for _ in range(3):
        assert disk.wait(10)
        kept.flush()
    assert "is kept" in str(kept.problem)
    assert capfd.readouterr().out.count("Could not keep a copy of the targets") == 1
    assert disk.wait(10)
    obstacle.rmdir()
    kept.flush()
    assert disk.wait(10)
    kept.flush()
    assert (kept.load(), kept.problem) == (b"1", None)


def test_does_not_follow_a_link(kept: LastGood, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "state/last-good-targets").symlink_to(tmp_path / "secret")
    with pytest.raises(OSError, match="symbolic links"):
        kept.load()
