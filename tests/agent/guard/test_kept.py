"""Descriptors that stay open: on plain files, and on this machine's procfs, where what they belong to really goes."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from oompolicy_agent.guard.files import read_kernel
from oompolicy_agent.guard.kept import Kept

MOST = 3


@pytest.fixture
def kept() -> Iterator[Kept]:
    kept = Kept(MOST)
    yield kept
    kept.close()


def open_in(folder: Path) -> set[str]:
    """Names of what this process has open there, the folder itself included."""
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]  # not the one of this listing
    return {path.name for link in links if (path := link.readlink()).is_relative_to(folder)}


def test_reads_the_same_as_without_keeping(kept: Kept) -> None:
    for path in ("/proc/version", "/proc/filesystems", "/proc/self/cgroup"):
        assert [kept.read(path), kept.read(path)] == [read_kernel(path)] * 2


def test_reads_all_of_a_file_that_comes_in_pieces(kept: Kept) -> None:
    """/proc/kallsyms is megabytes, a page at a time."""
    path = "/proc/kallsyms"
    assert kept.read(path) == kept.read(path) == read_kernel(path)


def test_reads_what_is_there_now_without_opening_again(
    kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "memory.current"
    path.write_text("1000\n")
    assert kept.read(str(path)) == "1000\n"
    monkeypatch.setattr(os, "open", _never)
    path.write_text("20\n")
    assert kept.read(str(path)) == "20\n"


def _never(*_: object) -> int:
    raise AssertionError("opened again")


def test_what_does_not_exist_is_none_until_it_does(kept: Kept, tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert kept.read(str(path)) is None
    path.write_text("there")
    assert kept.read(str(path)) == "there"


def test_what_goes_while_it_is_open_is_none_and_not_kept(kept: Kept) -> None:
    process = subprocess.Popen(["sleep", "infinity"])
    path = f"/proc/{process.pid}/stat"
    assert kept.read(path)
    process.kill()
    process.wait()
    assert "stat" in open_in(Path(f"/proc/{process.pid}"))
    assert kept.read(path) is None
    assert open_in(Path(f"/proc/{process.pid}")) == set()


def test_what_comes_back_in_the_same_place_is_opened_again(kept: Kept, tmp_path: Path) -> None:
    first, second = (subprocess.Popen(["sleep", "infinity"]) for _ in range(2))
    link = tmp_path / "memcg"
    link.symlink_to(f"/proc/{first.pid}")
    assert str(kept.read(f"{link}/stat")).startswith(f"{first.pid} ")
    first.kill()
    first.wait()
    link.unlink()
    link.symlink_to(f"/proc/{second.pid}")
    assert str(kept.read(f"{link}/stat")).startswith(f"{second.pid} ")
    second.kill()
    second.wait()


def test_keeps_no_more_than_it_may_and_those_that_were_used_last(kept: Kept, tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).write_text(name)
        kept.read(str(tmp_path / name))
    assert open_in(tmp_path) == {"a", "b", "c"}
    kept.read(str(tmp_path / "a"))
    (tmp_path / "d").write_text("d")
    assert kept.read(str(tmp_path / "d")) == "d"
    assert open_in(tmp_path) == {"a", "c", "d"}
    assert kept.read(str(tmp_path / "b")) == "b"


def test_forgets_what_need_not_be_kept(kept: Kept, tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_text(name)
        kept.read(str(tmp_path / name))
    kept.forget(lambda path: path.endswith("a"))
    assert open_in(tmp_path) == {"a"}
    kept.close()
    assert open_in(tmp_path) == set()


def test_leaves_nothing_open_when_nobody_needs_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("there")
    kept = Kept(MOST)
    kept.read(str(tmp_path / "file"))
    assert open_in(tmp_path) == {"file"}
    del kept
    assert open_in(tmp_path) == set()


def test_raises_what_is_no_answer_and_keeps_nothing(kept: Kept, tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        kept.read(str(tmp_path))
    (tmp_path / "binary").write_bytes(b"\xff")
    with pytest.raises(UnicodeDecodeError):
        kept.read(str(tmp_path / "binary"))
    assert open_in(tmp_path) == set()
