"""What is adjusted can always be put back: on files that look like procfs, on real processes, and at every crash."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from guard_host import FakeHost
from oompolicy_agent.guard import oom_scores
from oompolicy_agent.guard.adjusted import MOST_PROCESSES
from oompolicy_agent.guard.adjustments import PASSES, Adjustments
from oompolicy_agent.guard.files import make_directory
from oompolicy_agent.guard.log import Log
from oompolicy_agent.guard.memcgs import CgroupFS

BOOT = "0b9c7a1e-0000-4000-8000-000000000001"
A, B = "/kubepods/poda/c1", "/kubepods/podb/c2"
KUBELETS = 600
"""What kubelet gave the container in A; that in B is Guaranteed."""
GUARANTEED = -997


class Host(FakeHost):
    """Processes in two containers, with a start time each."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.pids: dict[str, list[int]] = {}
        self.directory: int | None = make_directory(str(self.state), 0o755)
        self.log = folder / "log"
        for pid in (20, 21):
            self.spawn(A, pid, KUBELETS)
        self.spawn(B, 30, GUARANTEED)

    def spawn(self, path: str, pid: int, value: int, start: int = 0) -> None:
        """A process appears in a memcg."""
        self.pids.setdefault(path, []).append(pid)
        self.memcg(path)
        (self.cgroups / path.lstrip("/") / "cgroup.procs").write_text("".join(f"{one}\n" for one in self.pids[path]))
        self.process(pid, oom_score_adj=value)
        fields = " ".join(["0"] * 18)
        (self.proc / f"{pid}/stat").write_text(f"{pid} (a) \x00b) S {fields} {start or pid * 10} 0 0\n")

    def fork(self, path: str, parent: int, pid: int) -> None:
        """A child appears, with what its parent has."""
        self.spawn(path, pid, self.value(parent))

    def end(self, path: str, pid: int) -> None:
        """A process goes."""
        self.pids[path].remove(pid)
        (self.cgroups / path.lstrip("/") / "cgroup.procs").write_text("".join(f"{one}\n" for one in self.pids[path]))
        for name in ("stat", "oom_score_adj", ""):
            file = self.proc / str(pid) / name
            file.rmdir() if file.is_dir() else file.unlink()

    def value(self, pid: int) -> int:
        """Its oom_score_adj."""
        return int((self.proc / f"{pid}/oom_score_adj").read_text())

    def values(self) -> dict[int, int]:
        """Everybody's."""
        return {pid: self.value(pid) for pids in self.pids.values() for pid in pids}

    def choose(self, pid: int, value: int) -> None:
        """A process sets its own."""
        (self.proc / f"{pid}/oom_score_adj").write_text(f"{value}\n")

    def wanted(self, **values: int) -> dict[str, tuple[int, int]]:
        """By container, `a` and `b`."""
        paths = {"a": A, "b": B}
        return {paths[name]: ((self.cgroups / paths[name][1:]).stat().st_ino, value) for name, value in values.items()}

    def guard(self, boot: str = BOOT) -> Adjustments:
        """What a guard that starts now has."""
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        return Adjustments(CgroupFS(str(self.cgroups)), str(self.proc), self.directory, boot, Log(log))

    @property
    def record(self) -> Path:
        """The file of what was adjusted."""
        return self.state / "adjusted.json"

    def said(self) -> list[str]:
        """What was logged."""
        return [json.loads(line)["message"] for line in self.log.read_text().splitlines()]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


ORIGINALS = {20: KUBELETS, 21: KUBELETS, 30: GUARANTEED}


def test_sets_and_puts_back(host: Host) -> None:
    adjustments = host.guard()
    adjustments.apply(host.wanted(a=-998, b=1000))
    assert host.values() == {20: -998, 21: -998, 30: 1000}
    assert (adjustments.count, adjustments.problem) == (3, None)
    assert host.record.stat().st_mode & 0o777 == 0o600
    adjustments.restore()
    assert host.values() == ORIGINALS
    assert (adjustments.count, adjustments.problem) == (0, None)
    assert not host.record.exists()
    assert host.said() == ["Adjusted oom_score_adj", "Put oom_score_adj back"]


def test_the_next_guard_puts_back_what_the_one_before_did(host: Host) -> None:
    host.guard().apply(host.wanted(a=-998, b=1000))
    host.guard().restore()
    assert host.values() == ORIGINALS


def test_the_next_guard_goes_on(host: Host) -> None:
    host.guard().apply(host.wanted(a=-998, b=1000))
    host.guard().apply(host.wanted(a=300, b=-998))
    assert host.values() == {20: 300, 21: 300, 30: -998}
    host.guard().restore()
    assert host.values() == ORIGINALS


def test_of_another_boot_nothing_is_put_back(host: Host) -> None:
    host.guard().apply(host.wanted(a=0))
    host.guard(boot="another").restore()
    assert host.values() == ORIGINALS | {20: 0, 21: 0}


def test_who_is_no_longer_wanted_is_put_back(host: Host) -> None:
    adjustments = host.guard()
    adjustments.apply(host.wanted(a=-998, b=1000))
    adjustments.apply(host.wanted(b=1000))
    assert host.values() == ORIGINALS | {30: 1000}
    assert A not in host.record.read_text()


def test_children_get_what_their_container_had(host: Host) -> None:
    adjustments = host.guard()
    adjustments.apply(host.wanted(a=-998))
    host.fork(A, 20, 22)
    adjustments.apply(host.wanted(a=300))
    host.fork(A, 22, 23)
    adjustments.restore()
    assert host.values() == ORIGINALS | {22: KUBELETS, 23: KUBELETS}


def test_each_process_gets_what_it_had_itself(host: Host) -> None:
    host.choose(21, 700)
    adjustments = host.guard()
    adjustments.apply(host.wanted(a=-998))
    adjustments.restore()
    assert host.values() == ORIGINALS | {21: 700}


def test_who_stood_at_our_value_before_us_keeps_it(host: Host) -> None:
    host.choose(21, 1000)
    adjustments = host.guard()
    adjustments.apply(host.wanted(a=1000))
    assert host.values() == ORIGINALS | {20: 1000, 21: 1000}
    adjustments.restore()
    assert host.values() == ORIGINALS | {21: 1000}


def test_what_a_container_had_is_what_its_oldest_process_had(host: Host) -> None:
    host.spawn(A, 5, 900, start=9999)
    host.choose(5, 900)
    adjustments = host.guard()
    adjustments.apply(host.wanted(a=0))
    host.fork(A, 5, 22)
    adjustments.restore()
    assert host.values() == ORIGINALS | {5: 900, 22: KUBELETS}


def test_who_has_come_later_with_kubelets_value_is_adjusted_too(host: Host) -> None:
    adjustments = host.guard()
    adjustments.apply(host.wanted(a=-998))
    host.spawn(A, 22, KUBELETS)
    adjustments.apply(host.wanted(a=-998))
    assert host.value(22) == -998
    adjustments.restore()
    assert host.values() == ORIGINALS | {22: KUBELETS}


def test_who_has_chosen_a_value_himself_since_keeps_it_when_all_is_put_back(host: Host) -> None:
    adjustments = host.guard()
    adjustments.apply(host.wanted(a=300))
    host.choose(21, 450)
    adjustments.restore()
    assert host.values() == ORIGINALS | {21: 450}


def test_who_chooses_a_value_himself_is_adjusted_again_and_gets_that_one_back(host: Host) -> None:
    adjustments = host.guard()
    adjustments.apply(host.wanted(a=300))
    host.choose(21, 450)
    adjustments.apply(host.wanted(a=300))
    assert host.value(21) == 300
    adjustments.restore()
    assert host.values() == ORIGINALS | {21: 450}


def test_who_is_never_to_be_chosen_and_the_first_of_the_machine_are_left_alone(host: Host) -> None:
    host.spawn(A, 1, 0)
    host.choose(20, -1000)
    adjustments = host.guard()
    adjustments.apply(host.wanted(a=300))
    assert host.values() == ORIGINALS | {1: 0, 20: -1000, 21: 300}
    assert [one["pid"] for one in json.loads(host.record.read_text())["containers"][0]["processes"]] == [21]
    host.choose(21, -1000)
    adjustments.restore()
    assert host.values() == ORIGINALS | {1: 0, 20: -1000, 21: -1000}


def test_a_pid_that_was_given_to_somebody_else_is_not_touched(host: Host) -> None:
    adjustments = host.guard()
    adjustments.apply(host.wanted(a=300))
    host.end(A, 21)
    host.spawn("/system.slice/sshd.service", 21, 300, start=999)
    adjustments.restore()
    assert host.values() == ORIGINALS | {21: 300}


def test_who_was_moved_to_another_memcg_is_put_back(host: Host) -> None:
    adjustments = host.guard()
    adjustments.apply(host.wanted(a=300))
    host.pids[A].remove(21)
    host.spawn("/system.slice/moved", 21, 300)
    host.memcg(A, pids=())
    adjustments.restore()
    assert host.value(21) == KUBELETS


def test_another_memcg_in_the_same_place_is_not_touched(host: Host) -> None:
    wanted = {A: (1, 300)}
    adjustments = host.guard()
    adjustments.apply(wanted)
    assert host.values() == ORIGINALS
    assert not host.record.exists()


def test_a_container_that_is_gone_is_forgotten(host: Host) -> None:
    adjustments = host.guard()
    adjustments.apply(host.wanted(a=300, b=1000))
    host.end(B, 30)
    for file in (host.cgroups / B[1:]).iterdir():
        file.unlink()
    (host.cgroups / B[1:]).rmdir()
    adjustments.apply(host.wanted(a=300))
    assert B not in host.record.read_text()
    assert adjustments.problem is None


def test_the_dead_do_not_fill_the_record(host: Host) -> None:
    adjustments = host.guard()
    adjustments.apply(host.wanted(a=300))
    host.end(A, 21)
    host.spawn(A, 22, KUBELETS)
    adjustments.apply(host.wanted(a=300))
    assert [one["pid"] for one in json.loads(host.record.read_text())["containers"][0]["processes"]] == [20, 22]


def test_where_nothing_changes_nothing_is_written(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    adjustments = host.guard()
    adjustments.apply(host.wanted(a=300, b=1000))
    host.fork(A, 20, 22)
    monkeypatch.setattr(os, "write", _never)
    monkeypatch.setattr(os, "rename", _never)
    adjustments.apply(host.wanted(a=300, b=1000))
    assert (adjustments.count, adjustments.problem) == (4, None)


def test_with_nothing_to_put_back_nothing_is_looked_at(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    adjustments = host.guard()
    monkeypatch.setattr(os, "open", _never)
    adjustments.restore()


def _never(*_: object, **__: object) -> int:
    raise AssertionError("called")


def test_what_cannot_be_recorded_is_not_adjusted(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    adjustments = host.guard()
    adjustments.apply(host.wanted(b=1000))
    with monkeypatch.context() as full:
        full.setattr(os, "rename", _refuse(errno.ENOSPC))
        for _ in range(2):
            adjustments.apply(host.wanted(a=300, b=1000))
        assert host.values() == ORIGINALS | {30: 1000}
        expected = "oom_score_adj is left as it is, adjusted.json cannot be written: No space left on device"
        assert adjustments.problem == expected
    assert host.said().count("Could not shape oom_score_adj") == 1
    adjustments.apply(host.wanted(a=300, b=1000))
    assert host.value(20) == 300
    assert _problem(adjustments) is None


def test_without_a_directory_for_the_record_nothing_is_adjusted(host: Host) -> None:
    host.directory = None
    adjustments = host.guard()
    adjustments.apply(host.wanted(a=300))
    assert host.values() == ORIGINALS
    assert str(adjustments.problem).endswith("There is no directory for it")
    adjustments.restore()
    assert _problem(adjustments) is None


def test_what_may_not_be_written_is_a_problem_and_keeps_nobody_else_back(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    adjustments = host.guard()
    really = oom_scores._write  # noqa: SLF001 - the one place that writes

    def write(directory: int, content: bytes) -> None:
        if Path(f"/proc/self/fd/{directory}").readlink().name == "20":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        really(directory, content)

    with monkeypatch.context() as confined:
        confined.setattr(oom_scores, "_write", write)
        for _ in range(2):
            adjustments.apply(host.wanted(a=300, b=1000))
        assert host.values() == {20: KUBELETS, 21: 300, 30: 1000}
        assert adjustments.problem == "oom_score_adj of some processes cannot be written: Permission denied"
        assert (adjustments.count, host.said().count("Could not shape oom_score_adj")) == (2, 1)
    adjustments.restore()
    assert host.values() == ORIGINALS


def test_what_cannot_be_put_back_now_is_put_back_later(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    adjustments = host.guard()
    adjustments.apply(host.wanted(a=300, b=1000))
    with monkeypatch.context() as confined:
        confined.setattr(oom_scores, "_write", _refuse(errno.EACCES))
        adjustments.restore()
    assert adjustments.problem
    host.guard().restore()
    assert host.values() == ORIGINALS


def _problem(adjustments: Adjustments) -> str | None:
    """Read anew: it has changed."""
    return adjustments.problem


def _refuse(number: int) -> Callable[..., int]:
    def refuse(*_: object, **__: object) -> int:
        raise OSError(number, os.strerror(number))

    return refuse


def test_who_forks_while_it_is_put_back_is_put_back_too(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    adjustments = host.guard()
    adjustments.apply(host.wanted(a=300))
    really, born = oom_scores._write, iter(range(40, 40 + PASSES - 2))  # noqa: SLF001

    def write(directory: int, content: bytes) -> None:
        if pid := next(born, None):
            host.spawn(A, pid, 300)
        really(directory, content)

    monkeypatch.setattr(oom_scores, "_write", write)
    adjustments.restore()
    assert host.values() == ORIGINALS | dict.fromkeys(range(40, 40 + PASSES - 2), KUBELETS)
    assert not host.record.exists()


def test_no_more_than_can_be_recorded_are_adjusted_and_the_first_are(host: Host) -> None:
    for pid in range(100, 100 + MOST_PROCESSES):
        host.spawn("/many", pid, 0) if pid == 100 else host.process(pid)
        (host.proc / f"{pid}/stat").write_text(f"{pid} (x) S {' '.join(['0'] * 18)} 7 0\n")
    (host.cgroups / "many/cgroup.procs").write_text("".join(f"{pid}\n" for pid in range(100, 100 + MOST_PROCESSES)))
    wanted = host.wanted(b=1000) | {"/many": ((host.cgroups / "many").stat().st_ino, 500)}
    adjustments = host.guard()
    adjustments.apply(wanted)
    assert (host.value(30), host.value(100)) == (1000, 0)
    assert "at most 4096 processes" in str(adjustments.problem)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param('{"formatVersion": 1, "boo', id="cut-short"),
        pytest.param("[]", id="no-object"),
        pytest.param('{"formatVersion": 2}', id="of-a-later-version"),
        pytest.param(
            json.dumps(
                {
                    "formatVersion": 1,
                    "bootId": BOOT,
                    "containers": [{"id": 1, "path": "/a/../b", "original": 0, "values": [1], "processes": []}],
                }
            ),
            id="with-a-path-that-leads-elsewhere",
        ),
        pytest.param(
            json.dumps(
                {
                    "formatVersion": 1,
                    "bootId": BOOT,
                    "containers": [
                        {
                            "id": 1,
                            "path": "/a",
                            "original": 0,
                            "values": [1],
                            "processes": [{"pid": 1, "start": 0, "original": 0}],
                        }
                    ],
                }
            ),
            id="with-the-first-process-of-the-machine",
        ),
    ],
)
def test_a_record_that_makes_no_sense_is_a_problem_and_no_end(host: Host, content: str) -> None:
    host.record.write_text(content)
    adjustments = host.guard()
    assert str(adjustments.problem).startswith("adjusted.json is of no use")
    adjustments.apply(host.wanted(a=300))
    assert (host.value(20), adjustments.problem) == (300, None)


def test_a_link_in_the_place_of_the_record_is_not_followed(host: Host, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("{}")
    host.record.symlink_to(tmp_path / "elsewhere")
    assert "adjusted.json is of no use" in str(host.guard().problem)


class CrashError(BaseException):
    """The guard is killed."""


class Doom:
    """Kills the guard instead of one of its calls that change anything: writes, renames and unlinks."""

    def __init__(self, after: int) -> None:
        self._left = after

    def over(self, really: Callable[..., int]) -> Callable[..., int]:
        """The call with a guard in it that may die."""

        def call(*arguments: object, **options: object) -> int:
            if self._left == 0:
                raise CrashError
            self._left -= 1
            return really(*arguments, **options)

        return call


def live(host: Host, adjustments: Adjustments) -> None:
    """What happens to a guard: first victims and the protected change places, pods go and come, the policy goes."""
    adjustments.apply(host.wanted(a=-998, b=1000))
    host.fork(A, 20, 22)
    adjustments.apply(host.wanted(a=300, b=KUBELETS))
    host.fork(B, 30, 31)
    adjustments.apply(host.wanted(b=GUARANTEED))
    host.fork(A, 22, 23)
    adjustments.apply(host.wanted(a=1000, b=300))
    adjustments.restore()


CALLS = 29
"""That change anything in the life of a guard."""


@pytest.mark.parametrize("after", range(CALLS + 1))
def test_killed_at_any_call_the_next_guard_puts_everything_back(
    host: Host, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """And at that moment every process forks."""
    doom, adjustments, is_killed = Doom(after), host.guard(), False
    with monkeypatch.context() as doomed:
        doomed.setattr(oom_scores, "_write", doom.over(oom_scores._write))  # type: ignore[arg-type]  # noqa: SLF001
        doomed.setattr(os, "rename", doom.over(os.rename))  # type: ignore[arg-type]
        doomed.setattr(os, "unlink", doom.over(os.unlink))  # type: ignore[arg-type]
        try:
            live(host, adjustments)
        except CrashError:
            is_killed = True
    assert is_killed == (after < CALLS), "CALLS is how many there are"
    for path in (A, B):
        for pid in list(host.pids[path]):
            host.fork(path, pid, pid + 100)
    host.guard().restore()
    for path, original in ((A, KUBELETS), (B, GUARANTEED)):
        assert {pid: host.value(pid) for pid in host.pids[path]} == dict.fromkeys(host.pids[path], original)
    assert not host.record.exists()


FORKS = """
import os, sys, time
def fork():
    child = os.fork()
    if child == 0:
        time.sleep(600)
    print(os.getpid(), child, flush=True)
fork()
sys.stdin.readline()
fork()
time.sleep(600)
"""


def test_real_processes_and_their_children(tmp_path: Path) -> None:
    host = FakeHost(tmp_path)
    with subprocess.Popen([sys.executable, "-c", FORKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdin
        pids = [int(pid) for pid in process.stdout.readline().split()]
        before = [_real(pid) for pid in pids]
        folder = host.cgroups / "c"
        folder.mkdir()
        (folder / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in pids))
        directory = make_directory(str(tmp_path / "state"), 0o755)
        adjustments = Adjustments(CgroupFS(str(host.cgroups)), "/proc", directory, BOOT, Log(os.dup(2)))
        adjustments.apply({"/c": (folder.stat().st_ino, 777)})
        process.stdin.write(b"\n")
        process.stdin.flush()
        pids.append(int(process.stdout.readline().split()[1]))
        (folder / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in pids))
        assert [_real(pid) for pid in pids] == [777] * 3
        Adjustments(CgroupFS(str(host.cgroups)), "/proc", directory, BOOT, Log(os.dup(2))).restore()
        assert [_real(pid) for pid in pids] == [*before, before[0]]
        for pid in pids:
            os.kill(pid, 9)


def _real(pid: int) -> int:
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text())
