"""Kills real processes that stand in a folder that looks like a memcg."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from guard_host import FakeHost
from oompolicy_agent.guard.kill import Party, kill, muster
from oompolicy_agent.guard.memcgs import CgroupFS


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return FakeHost(tmp_path)


@pytest.fixture
def cgroups(host: FakeHost) -> CgroupFS:
    return CgroupFS(str(host.cgroups))


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "infinity"]) as process:
        yield process
        process.kill()


def test_musters_who_may_be_killed(host: FakeHost, cgroups: CgroupFS) -> None:
    host.memcg("/c", pids=(1, 20, 30))
    host.process(30, oom_score_adj=-1000)
    assert muster(cgroups, str(host.proc), ["/c"]) == Party(killable=(20,), exempt=(1, 30))


def test_who_was_never_to_be_chosen_first_may_still_be_killed(host: FakeHost, cgroups: CgroupFS) -> None:
    host.memcg("/c", pids=(20,))
    host.process(20, oom_score_adj=-999)
    assert muster(cgroups, str(host.proc), ["/c"]).killable == (20,)


def test_nobody_listed_is_dying_already(host: FakeHost, cgroups: CgroupFS) -> None:
    host.memcg("/c")
    assert muster(cgroups, str(host.proc), ["/c"]).is_dying


def test_kills_and_empties(host: FakeHost, cgroups: CgroupFS, sleeper: subprocess.Popen[bytes]) -> None:
    folder = host.memcg("/c", pids=(sleeper.pid,))
    killing = kill(cgroups, ["/c"], Party((sleeper.pid,), ()))
    assert sleeper.wait(10) == -signal.SIGKILL
    assert (killing.signalled, killing.problems) == (1, [])
    assert killing.signalled_at
    assert (folder / "cgroup.kill").read_text() == "1"


def test_does_not_signal_a_process_that_has_left(
    host: FakeHost, cgroups: CgroupFS, sleeper: subprocess.Popen[bytes]
) -> None:
    """Its pid may be somebody else's by now."""
    host.memcg("/c", pids=())
    killing = kill(cgroups, ["/c"], Party((sleeper.pid,), ()))
    assert killing.signalled == 0
    assert sleeper.poll() is None


def test_spares_the_memcg_as_a_whole_when_somebody_in_it_is_exempt(
    host: FakeHost, cgroups: CgroupFS, sleeper: subprocess.Popen[bytes]
) -> None:
    folder = host.memcg("/c", pids=(sleeper.pid, 30))
    killing = kill(cgroups, ["/c"], Party((sleeper.pid,), (30,)))
    assert killing.signalled == 1
    assert (folder / "cgroup.kill").read_text() == ""


def test_a_process_that_is_gone_is_nobody(host: FakeHost, cgroups: CgroupFS) -> None:
    with subprocess.Popen(["true"]) as gone:
        pass
    host.memcg("/c", pids=(gone.pid,))
    killing = kill(cgroups, ["/c"], Party((gone.pid,), ()))
    assert (killing.signalled, killing.problems) == (0, [])


def test_a_memcg_that_is_gone_is_no_problem(cgroups: CgroupFS) -> None:
    assert kill(cgroups, ["/gone"], Party((), ())).problems == []


def test_leaves_no_descriptor_open(host: FakeHost, cgroups: CgroupFS, sleeper: subprocess.Popen[bytes]) -> None:
    host.memcg("/c", pids=(sleeper.pid,))
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a plain count
    kill(cgroups, ["/c"], Party((sleeper.pid,), ()))
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - a plain count
