"""What the guard needs of a host, and what it says where that is missing."""

from pathlib import Path

import pytest

from guard_host import FakeHost
from oompolicy_agent.guard.__main__ import main
from oompolicy_agent.guard.files import make_directory
from oompolicy_agent.guard.host_lock import try_lock
from oompolicy_agent.guard.support import probe


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return FakeHost(tmp_path)


def obstacle(host: FakeHost) -> str | None:
    found = probe(str(host.cgroups), str(host.proc)).obstacle
    return found.reason if found else None


def test_works_where_everything_is_there(host: FakeHost) -> None:
    assert obstacle(host) is None


def test_cgroup_v1(host: FakeHost) -> None:
    (host.cgroups / "cgroup.controllers").unlink()
    assert obstacle(host) == "CgroupV1"


def test_no_memory_controller(host: FakeHost) -> None:
    (host.cgroups / "cgroup.controllers").write_text("cpu pids\n")
    assert obstacle(host) == "NoMemoryController"


def test_no_pressure_information(host: FakeHost) -> None:
    (host.proc / "pressure/memory").unlink()
    assert obstacle(host) == "NoPSI"


def test_what_could_not_be_found_out_is_asked_again(host: FakeHost) -> None:
    (host.cgroups / "cgroup.controllers").unlink()
    (host.cgroups / "cgroup.controllers").mkdir()
    support = probe(str(host.cgroups), str(host.proc))
    assert support.obstacle
    assert (support.obstacle.reason, support.is_final) == ("Unknown", False)


@pytest.mark.parametrize(("broken", "code"), [(False, 0), (True, 1)], ids=["works", "does-not"])
def test_the_check_command_says_it(host: FakeHost, broken: bool, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    if broken:
        (host.proc / "pressure/memory").unlink()
    with pytest.raises(SystemExit) as ended:
        main(["check", "--cgroup-root", str(host.cgroups), "--proc", str(host.proc)])
    assert ended.value.code == code
    assert ("Userspace: no (NoPSI)" in capsys.readouterr().out) == broken


def test_the_commands_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert all(command in out for command in ("run", "check", "rank"))


def test_one_guard_holds_the_lock(tmp_path: Path) -> None:
    directory = make_directory(str(tmp_path / "state"), 0o755)
    assert try_lock(directory) is not None
    assert try_lock(directory) is None
