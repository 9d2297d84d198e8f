"""Files as a privileged program must treat them."""

import os
import select
import stat
import time
from pathlib import Path

import pytest

from oompolicy_agent.guard.files import make_directory, read_hostile, read_kernel, replace
from oompolicy_agent.guard.parts import open_folders
from oompolicy_agent.guard.pressure import Pressure
from oompolicy_agent.guard.settings import Limits, Settings


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_reads_all_of_a_file_that_comes_in_pieces() -> None:
    found = read_kernel("/proc/self/maps")
    assert found
    assert found.endswith("\n")
    assert len(found) > 4096


def test_a_vanished_file_is_an_answer(tmp_path: Path) -> None:
    assert read_kernel(str(tmp_path / "gone")) is None
    assert read_kernel("/proc/999999999/oom_score_adj") is None


def test_any_other_error_is_raised(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        read_kernel(str(tmp_path))


def test_reads_a_hostile_file_up_to_its_limit(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert read_hostile(str(tmp_path / "file"), 5) == b"12345"
    with pytest.raises(OSError, match="at most 4 bytes"):
        read_hostile(str(tmp_path / "file"), 4)


def test_puts_a_file_in_place_with_its_mode(tmp_path: Path) -> None:
    directory = make_directory(str(tmp_path / "outbox"), 0o755)
    replace(directory, "status", b"old", 0o644)
    replace(directory, "status", b"new", 0o644)
    assert (tmp_path / "outbox/status").read_bytes() == b"new"
    assert mode(tmp_path / "outbox/status") == 0o644
    assert [path.name for path in (tmp_path / "outbox").iterdir()] == ["status"]


def test_does_not_write_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("as it was")
    directory = make_directory(str(tmp_path / "outbox"), 0o755)
    (tmp_path / "outbox/.status.new").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match="symbolic links"):
        replace(directory, "status", b"new", 0o644)
    assert (tmp_path / "precious").read_text() == "as it was"


def test_does_not_take_a_link_for_its_directory(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "state").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="state"):
        make_directory(str(tmp_path / "state"), 0o755)


def test_corrects_the_mode_of_a_directory_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o777)
    make_directory(str(tmp_path / "state"), 0o700)
    assert mode(tmp_path / "state") == 0o700


def test_makes_the_folders_that_sync_expects(tmp_path: Path) -> None:
    open_folders(Settings(state_directory=str(tmp_path / "state")))
    assert mode(tmp_path / "state/inbox") == 0o770
    assert (tmp_path / "state/inbox").stat().st_gid == os.getegid()
    assert mode(tmp_path / "state/outbox") == 0o755


def test_sleeps_until_the_time_is_over_or_it_is_woken() -> None:
    reader, writer = os.pipe2(os.O_NONBLOCK)
    pressure = Pressure(Limits(), reader)
    start = time.monotonic()
    pressure.sleep(0.05)
    assert time.monotonic() - start >= 0.045
    os.write(writer, b"x")
    pressure.sleep(600)
    assert not select.select([reader], [], [], 0)[0]


def test_no_pressure_is_no_stall() -> None:
    pressure = Pressure(Limits(), os.pipe()[0])
    assert pressure.stall_milliseconds("/", 1.0) == 0
