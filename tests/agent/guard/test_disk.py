"""A slow disk never keeps the guard waiting."""

import os
import threading
from pathlib import Path

from oompolicy_agent.guard.disk import Disk
from oompolicy_agent.guard.files import make_directory
from oompolicy_agent.guard.journal import Journal
from oompolicy_agent.guard.log import Log
from oompolicy_agent.guard.ring import Ring
from oompolicy_agent.guard.status import StatusFile


class SlowDisk(Disk):
    """Ends its tasks when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.may_end = threading.Event()

    def start(self, task: object) -> None:
        """As the real one, later."""
        assert callable(task)
        super().start(lambda: (self.may_end.wait(10), task())[1])


def test_a_task_is_not_waited_for() -> None:
    disk, done = SlowDisk(), []
    disk.start(lambda: done.append(1))
    assert (disk.is_idle, done) == (False, [])
    disk.may_end.set()
    assert disk.wait(10)
    assert (disk.is_idle, done) == (True, [1])


def test_a_disk_that_fails_says_so_and_goes_on() -> None:
    def fail() -> None:
        raise OSError(5, "Input/output error")

    disk = Disk()
    disk.start(fail)
    assert disk.wait(10)
    assert str(disk.error) == "[Errno 5] Input/output error"
    disk.start(lambda: None)
    assert disk.wait(10)
    assert disk.error is None


def test_the_journal_waits_for_the_disk_and_nobody_for_the_journal(tmp_path: Path) -> None:
    disk = SlowDisk()
    journal = Journal(make_directory(str(tmp_path / "outbox"), 0o755), Log(), disk, Ring(None, Log()))
    for name in ("a", "b"):
        journal.write({"id": name})
    assert os.listdir(tmp_path / "outbox") == []  # noqa: PTH208 - a plain list
    disk.may_end.set()
    assert disk.wait(10)
    journal.flush()
    assert disk.wait(10)
    assert (tmp_path / "outbox/decisions.jsonl").read_text() == '{"id": "a"}\n{"id": "b"}\n'


def test_the_status_waits_for_the_disk_and_then_has_the_latest(tmp_path: Path) -> None:
    disk = SlowDisk()
    status = StatusFile(make_directory(str(tmp_path / "outbox"), 0o755), Log(), disk)
    for kills in range(3):
        status.publish({"kills": kills}, monotonic=0.0, wall=0.0)
    assert os.listdir(tmp_path / "outbox") == []  # noqa: PTH208 - a plain list
    disk.may_end.set()
    assert disk.wait(10)
    status.publish({"kills": 2}, monotonic=0.0, wall=0.0)
    assert disk.wait(10)
    assert '"kills": 2' in (tmp_path / "outbox/guard-status.json").read_text()
