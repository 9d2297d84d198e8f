"""What the guard needs of a host, and what it says where that is missing."""

import errno
import os
from pathlib import Path

import pytest

from guard_host import FakeHost
from oompolicy_agent.guard.__main__ import main
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


def test_pressure_information_that_is_off(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, flags: int) -> int:
        if path.endswith("pressure/memory"):
            raise OSError(errno.EOPNOTSUPP, "Operation not supported", path)
        return really_open(path, flags)

    really_open = os.open
    monkeypatch.setattr(os, "open", refuse)
    assert obstacle(host) == "NoPSI"


def test_what_could_not_be_found_out_is_asked_again(host: FakeHost) -> None:
    (host.cgroups / "cgroup.controllers").unlink()
    (host.cgroups / "cgroup.controllers").mkdir()
    support = probe(str(host.cgroups), str(host.proc))
    assert support.obstacle
    assert (support.obstacle.reason, support.is_final) == ("Unknown", False)


def test_the_commands_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert all(command in out for command in ("run", "check", "rank"))
