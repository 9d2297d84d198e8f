"""One guard per host, and whoever comes second can be told who is the first."""

import os
from pathlib import Path

import pytest

from oompolicy_agent.guard.files import make_directory
from oompolicy_agent.guard.host_lock import holder, try_lock


@pytest.fixture
def directory(tmp_path: Path) -> int:
    return make_directory(str(tmp_path / "state"), 0o755)


def test_the_second_does_not_get_it_and_learns_who_has_it(directory: int) -> None:
    assert try_lock(directory, "pid 7 of pod one") is not None
    assert try_lock(directory, "pid 8") is None
    assert holder(directory) == "pid 7 of pod one"


def test_it_goes_with_the_descriptor(directory: int) -> None:
    first = try_lock(directory, "pid 1234567")
    assert first is not None
    os.close(first)
    assert try_lock(directory, "pid 8") is not None
    assert holder(directory) == "pid 8"


def test_nobody_is_known_where_nothing_was_written(directory: int) -> None:
    assert holder(directory) == "unknown"
