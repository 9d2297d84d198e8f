"""The kernel says which directories have changed; on any file system, so that this needs no cgroups."""

import errno
import os
import select
from collections.abc import Iterator
from pathlib import Path

import pytest

from oompolicy_agent.guard import tree_watch
from oompolicy_agent.guard.tree_watch import TreeWatch


@pytest.fixture
def watch() -> Iterator[TreeWatch]:
    watch = TreeWatch()
    yield watch
    watch.close()


def follow(watch: TreeWatch, folder: Path) -> str:
    watch.watch(str(folder), folder.stat().st_ino)
    return str(folder)


def test_says_which_directory_gained_or_lost_one(watch: TreeWatch, tmp_path: Path) -> None:
    path = follow(watch, tmp_path)
    assert watch.take() == set()
    (tmp_path / "new").mkdir()
    assert select.select([watch.descriptor], [], [], 10)[0]
    assert watch.take() == {path}
    (tmp_path / "new").rmdir()
    assert watch.take() == {path}
    assert watch.take() == set()


def test_files_are_no_memcgs(watch: TreeWatch, tmp_path: Path) -> None:
    follow(watch, tmp_path)
    (tmp_path / "file").write_text("")
    assert watch.take() == set()


def test_a_directory_made_anew_at_the_same_path_is_watched_anew(watch: TreeWatch, tmp_path: Path) -> None:
    folder = tmp_path / "pod"
    folder.mkdir()
    follow(watch, folder)
    folder.rename(tmp_path / "old")  # so that the new one has another inode
    folder.mkdir()
    follow(watch, folder)
    (tmp_path / "old").rmdir()
    assert watch.take() == set()
    (folder / "container").mkdir()
    assert watch.take() == {str(folder)}


def test_what_is_not_kept_is_no_longer_watched(watch: TreeWatch, tmp_path: Path) -> None:
    follow(watch, tmp_path)
    watch.keep({})
    watch.take()
    (tmp_path / "new").mkdir()
    assert watch.take() == set()


def test_a_directory_that_has_gone_is_no_problem(watch: TreeWatch, tmp_path: Path) -> None:
    watch.watch(str(tmp_path / "gone"), 4711)
    assert watch.problem is None


def test_says_when_the_kernel_has_lost_count(watch: TreeWatch, tmp_path: Path) -> None:
    follow(watch, tmp_path)
    queue = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    for _ in range(queue // 2 + 1):
        (tmp_path / "a").mkdir()
        (tmp_path / "a").rmdir()
    answers = []
    while select.select([watch.descriptor], [], [], 0)[0]:
        answers.append(watch.take())
    assert None in answers


def test_says_when_there_are_more_than_it_watches(
    watch: TreeWatch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree_watch, "MOST_WATCHES", 0)
    follow(watch, tmp_path)
    assert "More than 0 directories" in (watch.problem or "")


def test_where_the_kernel_gives_none_that_is_a_problem_and_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ctypes.get_errno", lambda: errno.EMFILE)
    monkeypatch.setattr(tree_watch, "_LIBC", _Refusing())
    watch = TreeWatch()
    follow(watch, tmp_path)
    assert (watch.descriptor, watch.take()) == (-1, set())
    assert os.strerror(errno.EMFILE) in (watch.problem or "")
    assert "max_user_instances" in (watch.problem or "")


class _Refusing:
    """A C library whose kernel refuses."""

    @staticmethod
    def inotify_init1(_flags: int) -> int:
        return -1
