"""A change in a watched directory wakes whoever waits for it."""

import select
from collections.abc import Callable
from pathlib import Path

import pytest

from oompolicy_agent.guard.folder_watch import FolderWatch


def is_ready(watch: FolderWatch) -> bool:
    return bool(select.select([watch.descriptor], [], [], 0)[0])


def put_in_place(folder: Path) -> None:
    (folder / "new").write_text("x")
    (folder / "new").rename(folder / "targets.json")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(put_in_place, id="put-in-place-by-rename"),
        pytest.param(lambda folder: (folder / "old").write_text("y"), id="written"),
        pytest.param(lambda folder: (folder / "break-glass").touch(), id="created"),
        pytest.param(lambda folder: (folder / "old").unlink(), id="removed"),
    ],
)
def test_a_change_is_news_until_it_is_taken(tmp_path: Path, change: Callable[[Path], object]) -> None:
    (tmp_path / "old").write_text("x")
    watch = FolderWatch([str(tmp_path)])
    assert not is_ready(watch)
    change(tmp_path)
    assert is_ready(watch)
    watch.take()
    assert not is_ready(watch)


def test_a_directory_that_is_not_there_is_no_obstacle(tmp_path: Path) -> None:
    watch = FolderWatch([str(tmp_path / "nowhere"), str(tmp_path)])
    (tmp_path / "x").touch()
    assert is_ready(watch)
