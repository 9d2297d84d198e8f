"""Kills real processes that stand in a folder that looks like a memcg."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from guard_host import FakeHost
from oompolicy_agent.guard.kill import Crew, Killing, Party, kill, muster, terminate
from oompolicy_agent.guard.memcgs import CgroupFS

KILL_PENDING = "Name:\tx\nSigPnd:\t0000000000000100\nShdPnd:\t0000000000000000\n"


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return FakeHost(tmp_path)


@pytest.fixture
def cgroups(host: FakeHost) -> CgroupFS:
    return CgroupFS(str(host.cgroups))


@pytest.fixture
def crew() -> Crew:
    return Crew()


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "infinity"]) as process:
        yield process
        process.kill()


def killed(cgroups: CgroupFS, crew: Crew, *pids: int, whole: bool = True) -> Killing:
    """Kills in /c, and lets the crew come to rest."""
    killing = kill(cgroups, ["/c"], pids, crew, whole=whole)
    assert crew.sweeper.wait(10)
    assert crew.reaper.wait(10)
    return killing


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


@pytest.mark.parametrize(
    ("killed_pids", "is_dying"),
    [
        pytest.param((20, 21), True, id="all-that-may-be-killed"),
        pytest.param((20,), False, id="one-of-two"),
        pytest.param((), False, id="none"),
    ],
)
def test_who_has_sigkill_pending_is_dying_already(
    host: FakeHost, cgroups: CgroupFS, killed_pids: tuple[int, ...], is_dying: bool
) -> None:
    """Killed by kubelet, by the kernel, or by the guard before us; in D state it may still be there."""
    host.memcg("/c", pids=(20, 21, 30))
    host.process(30, oom_score_adj=-1000)
    for pid in killed_pids:
        (host.proc / f"{pid}/status").write_text(KILL_PENDING)
    assert muster(cgroups, str(host.proc), ["/c"]).is_dying == is_dying


def test_kills_and_empties(host: FakeHost, cgroups: CgroupFS, crew: Crew, sleeper: subprocess.Popen[bytes]) -> None:
    folder = host.memcg("/c", pids=(sleeper.pid,))
    killing = killed(cgroups, crew, sleeper.pid)
    assert sleeper.wait(10) == -signal.SIGKILL
    assert (killing.signalled, killing.problems) == (1, [])
    assert killing.signalled_at
    assert (folder / "cgroup.kill").read_text() == "1"


def test_asks_to_end(host: FakeHost, cgroups: CgroupFS, sleeper: subprocess.Popen[bytes]) -> None:
    folder = host.memcg("/c", pids=(sleeper.pid,))
    assert terminate(cgroups, ["/c"], [sleeper.pid]).signalled == 1
    assert sleeper.wait(10) == -signal.SIGTERM
    assert (folder / "cgroup.kill").read_text() == ""


def test_does_not_signal_a_process_that_has_left(
    host: FakeHost, cgroups: CgroupFS, crew: Crew, sleeper: subprocess.Popen[bytes]
) -> None:
    """Its pid may be somebody else's by now."""
    host.memcg("/c", pids=())
    assert killed(cgroups, crew, sleeper.pid).signalled == 0
    assert sleeper.poll() is None


def test_spares_the_memcg_as_a_whole_when_somebody_in_it_is_exempt(
    host: FakeHost, cgroups: CgroupFS, crew: Crew, sleeper: subprocess.Popen[bytes]
) -> None:
    folder = host.memcg("/c", pids=(sleeper.pid, 30))
    assert killed(cgroups, crew, sleeper.pid, whole=False).signalled == 1
    assert (folder / "cgroup.kill").read_text() == ""


def test_a_process_that_is_gone_is_nobody(host: FakeHost, cgroups: CgroupFS, crew: Crew) -> None:
    with subprocess.Popen(["true"]) as gone:
        pass
    host.memcg("/c", pids=(gone.pid,))
    killing = killed(cgroups, crew, gone.pid)
    assert (killing.signalled, killing.problems) == (0, [])


def test_a_memcg_that_is_gone_is_no_problem(cgroups: CgroupFS, crew: Crew) -> None:
    assert killed(cgroups, crew).problems == []
    assert crew.sweeper.error is None


def test_a_cgroup_kill_that_blocks_keeps_nobody_from_being_signalled(
    host: FakeHost, cgroups: CgroupFS, crew: Crew, sleeper: subprocess.Popen[bytes]
) -> None:
    """It waits for cgroup_mutex, which no test can hold: a FIFO without a reader blocks as well."""
    folder = host.memcg("/c", pids=(sleeper.pid,))
    (folder / "cgroup.kill").unlink()
    os.mkfifo(folder / "cgroup.kill")
    for _ in range(2):  # also the second time, when the thread is stuck
        kill(cgroups, ["/c"], [sleeper.pid], crew, whole=True)
    assert sleeper.wait(10) == -signal.SIGKILL
    assert not crew.sweeper.is_idle
    with (folder / "cgroup.kill").open("rb") as reader:
        assert reader.read() == b"1"
    assert crew.sweeper.wait(10)


def test_leaves_no_descriptor_open(
    host: FakeHost, cgroups: CgroupFS, crew: Crew, sleeper: subprocess.Popen[bytes]
) -> None:
    host.memcg("/c", pids=(sleeper.pid,))
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a plain count
    killed(cgroups, crew, sleeper.pid)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - a plain count
