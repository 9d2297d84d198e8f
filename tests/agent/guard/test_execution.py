"""One victim from the first signal to the end, on a host of files with real processes."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from guard_host import FakeHost
from oompolicy_agent.guard.execution import Execution, Means, Prey
from oompolicy_agent.guard.kill import Crew, Party, muster
from oompolicy_agent.guard.memcgs import CgroupFS
from oompolicy_agent.guard.records import Decision, Victim
from oompolicy_agent.guard.waiting import Ending

MEBIBYTE = 1 << 20
POD = "/kubepods/podu"
PATH = f"{POD}/c"
INIT_STATUS = "Name:\tinit\nNSpid:\t{pid}\t1\nVmRSS:\t{rss} kB\nSigPnd:\t0000000000000000\n"


class Stage:
    """A container with processes, and the means to kill it."""

    def __init__(self, folder: Path) -> None:
        self.host = FakeHost(folder)
        self.means = Means(CgroupFS(str(self.host.cgroups)), str(self.host.proc), Crew())
        self.processes: list[subprocess.Popen[bytes]] = []

    def run(self, *commands: str, current: int = 100) -> None:
        """Starts shell commands in the container, which uses `current` MiB."""
        self.processes += [subprocess.Popen(["sh", "-c", f"exec {command}"]) for command in commands]
        self.fill(current)

    def fill(self, current: int) -> None:
        """Writes the container's files for those who live."""
        pids = tuple(process.pid for process in self.processes if process.poll() is None)
        self.host.memcg(PATH, current=current, pids=pids)
        self.host.memcg(POD, current=current)

    def execution(self, unit: str = "Container") -> Execution:
        """The execution of the container, not begun."""
        victim = Victim(PATH, 7, "u", unit=unit, usage_bytes=100 * MEBIBYTE)
        party = muster(self.means.cgroups, self.means.proc, [PATH])
        prey = Prey.of(self.means, victim, (PATH,), party)
        decision = Decision("id", 1.0, "/", "Enforce", None, None, victim)
        return Execution(self.means, prey, decision, time.monotonic(), 0)

    def ended(self, index: int) -> int:
        """How a process ended, in the short while that a signal needs."""
        return self.processes[index].wait(10)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    for process in stage.processes:
        process.kill()
        process.wait()


def look(execution: Execution, *, must_hurry: bool = False) -> Ending | None:
    return execution.look(0, must_hurry=must_hurry)


def test_everybody_in_it_is_killed_and_its_end_is_told(stage: Stage) -> None:
    stage.run("sleep 1000", "sleep 1000")
    execution = stage.execution()
    execution.strike()
    assert [stage.ended(0), stage.ended(1)] == [-signal.SIGKILL, -signal.SIGKILL]
    stage.fill(current=0)
    assert look(execution) is Ending.FREED
    decision = execution.decision
    assert (decision.outcome, decision.tasks_signalled, decision.freed_bytes) == ("Killed", 2, 100 * MEBIBYTE)
    assert decision.signal_to_freed is not None


def test_who_was_forked_meanwhile_dies_too(stage: Stage) -> None:
    stage.run("sleep 1000")
    execution = stage.execution()
    execution.strike()
    stage.ended(0)
    stage.run("sleep 1000")
    assert look(execution) is None
    assert stage.ended(1) == -signal.SIGKILL
    assert execution.decision.tasks_signalled == 2


def test_who_may_not_be_killed_stays_and_is_not_waited_for(stage: Stage) -> None:
    stage.run("sleep 1000", "sleep 1000")
    exempt = stage.processes[1].pid
    stage.host.process(exempt, oom_score_adj=-1000)
    execution = stage.execution()
    execution.strike()
    assert stage.ended(0) == -signal.SIGKILL
    stage.host.memcg(PATH, current=1, pids=(exempt,))
    stage.host.process(exempt, oom_score_adj=-1000)
    assert look(execution) is Ending.FREED
    assert stage.processes[1].poll() is None


def test_of_the_unit_process_only_the_largest_dies(stage: Stage) -> None:
    stage.run("sleep 1000", "sleep 1000")
    small, large = (process.pid for process in stage.processes)
    for pid, rss in ((small, 10_240), (large, 81_920)):
        (stage.host.proc / f"{pid}/status").write_text(INIT_STATUS.format(pid=pid, rss=rss))
    (stage.host.proc / f"{large}/comm").write_text("worker\n")
    execution = stage.execution("Process")
    assert execution.decision.victim
    assert execution.decision.victim.process == f"worker[{large}]"
    assert execution.decision.victim.usage_bytes == 80 * MEBIBYTE
    execution.strike()
    assert stage.ended(1) == -signal.SIGKILL
    stage.fill(current=20)
    assert look(execution) is Ending.FREED
    assert execution.decision.freed_bytes == 80 * MEBIBYTE
    assert stage.processes[0].poll() is None
    assert (stage.host.cgroups / PATH[1:] / "cgroup.kill").read_text() == ""


def test_who_ends_within_its_grace_is_not_killed(stage: Stage) -> None:
    stage.run("sleep 1000")
    execution = stage.execution()
    execution.warn(60_000)
    assert stage.ended(0) == -signal.SIGTERM
    stage.fill(current=0)
    assert look(execution) is Ending.FREED
    assert (execution.decision.outcome, execution.decision.grace_milliseconds) == ("Killed", 60_000)


STUBBORN = (
    "python3 -c 'import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); signal.pause()'"
)


def stubborn(stage: Stage) -> None:
    """A process that does not mind SIGTERM; returns once it does not."""
    process = subprocess.Popen(["sh", "-c", f"exec {STUBBORN}"], stdout=subprocess.PIPE)
    assert process.stdout
    assert process.stdout.readline() == b"1\n"
    process.stdout.close()
    stage.processes.append(process)
    stage.fill(current=100)


@pytest.mark.parametrize(
    ("milliseconds", "must_hurry"),
    [
        pytest.param(0, False, id="at-the-end-of-its-grace"),
        pytest.param(60_000, True, id="when-memory-runs-out-sooner"),
    ],
)
def test_who_does_not_end_in_time_is_killed(stage: Stage, milliseconds: int, must_hurry: bool) -> None:
    stubborn(stage)
    execution = stage.execution()
    execution.warn(milliseconds)
    assert look(execution, must_hurry=must_hurry) is None
    assert stage.ended(0) == -signal.SIGKILL


def test_during_its_grace_it_is_let_alone(stage: Stage) -> None:
    stubborn(stage)
    execution = stage.execution()
    execution.warn(60_000)
    assert [look(execution) for _ in range(3)] == [None] * 3
    assert stage.processes[0].poll() is None


def test_only_the_init_of_a_container_is_asked_to_end(stage: Stage) -> None:
    stage.run("sleep 1000", "sleep 1000")
    pid = stage.processes[0].pid
    (stage.host.proc / f"{pid}/status").write_text(INIT_STATUS.format(pid=pid, rss=1))
    execution = stage.execution()
    execution.warn(60_000)
    assert stage.ended(0) == -signal.SIGTERM
    assert execution.decision.tasks_signalled == 1


def test_a_kill_that_finds_nobody_means_that_it_is_dying_already(stage: Stage) -> None:
    stage.host.memcg(PATH, current=100)
    stage.host.memcg(POD, current=100)
    execution = stage.execution()
    execution.strike()
    assert look(execution) is None, "its memory is not back yet"
    stage.host.memcg(PATH, current=10)
    assert look(execution) is Ending.FREED
    assert (execution.decision.outcome, execution.decision.tasks_signalled) == ("Killed", 0)


def test_what_it_left_behind_in_its_pod_is_not_freed(stage: Stage) -> None:
    """S37: its memcg is gone, and the pod still holds what was in its tmpfs."""
    stage.run("sleep 1000")
    execution = stage.execution()
    execution.strike()
    stage.ended(0)
    for name in os.listdir(stage.host.cgroups / PATH[1:]):  # noqa: PTH208 - a plain list
        (stage.host.cgroups / PATH[1:] / name).unlink()
    (stage.host.cgroups / PATH[1:]).rmdir()
    stage.host.memcg(POD, current=95)
    end = time.monotonic() + 10
    while look(execution) is None:
        assert time.monotonic() < end
    assert (execution.decision.outcome, execution.decision.freed_bytes) == ("Futile", 5 * MEBIBYTE)


def test_a_party_of_nobody_is_dying() -> None:
    assert Party((), ()).is_dying
    assert not Party((), (1,)).is_dying
    assert Party((7,), (1,), was_killed=True).is_dying
