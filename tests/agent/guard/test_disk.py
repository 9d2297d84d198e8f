"""A slow disk never keeps the guard waiting."""

import os
import threading
from pathlib import Path

import pytest

from oompolicy_agent.guard.disk import Disk


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """A disk whose sync ends when the event is set."""
    may_end = threading.Event()
    monkeypatch.setattr(os, "fdatasync", lambda _: may_end.wait(10))
    return may_end


def test_a_sync_is_asked_for_and_not_waited_for(slow: threading.Event, tmp_path: Path) -> None:
    disk = Disk()
    with (tmp_path / "journal").open("w") as file:
        assert disk.sync(file.fileno())
        assert not disk.wait(0)
        assert not disk.sync(file.fileno()), "a second one must not pile up behind the first"
        slow.set()
        assert disk.wait(10)
        assert disk.sync(file.fileno())
        assert disk.wait(10)


def test_the_file_may_be_closed_while_the_disk_is_busy(slow: threading.Event, tmp_path: Path) -> None:
    disk = Disk()
    with (tmp_path / "journal").open("w") as file:
        assert disk.sync(file.fileno())
    slow.set()
    assert disk.wait(10)
    assert disk.error is None


def test_a_disk_that_fails_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fail)
    disk = Disk()
    with (tmp_path / "journal").open("w") as file:
        disk.sync(file.fileno())
        assert disk.wait(10)
    assert str(disk.error) == "[Errno 5] Input/output error"
