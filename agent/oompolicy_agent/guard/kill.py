"""Kills what is in a memcg: signals to the processes that are there, then `cgroup.kill` for what forked meanwhile."""

import errno
import os
import signal
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from oompolicy_agent.guard.files import read_kernel
from oompolicy_agent.guard.memcgs import CgroupFS
from oompolicy_agent.guard.syscalls import release_memory

__all__ = ["Killing", "Party", "kill", "muster"]

NEVER = -1000
"""The oom_score_adj of a process that asks the kernel never to be chosen; we keep to it."""
INIT = 1


@dataclass(frozen=True, slots=True)
class Party:
    """The processes of a unit just before it is killed."""

    killable: tuple[int, ...]
    exempt: tuple[int, ...]
    """At oom_score_adj -1000, or PID 1."""

    @property
    def is_dying(self) -> bool:
        """Whether nobody is left to signal: exiting processes are not listed, though their memory still counts."""
        return not self.killable and not self.exempt


@dataclass(slots=True)
class Killing:
    """What was done."""

    signalled: int = 0
    signalled_at: float = 0.0
    """Of the monotonic clock, when the first signal had been sent."""
    problems: list[str] = field(default_factory=list)


def muster(cgroups: CgroupFS, proc: str, paths: Iterable[str]) -> Party:
    """Who is in the memcgs at `paths` and below them, and who of them may be killed."""
    pids = [pid for path in paths for pid in cgroups.processes(path)]
    exempt = tuple(pid for pid in pids if pid == INIT or _oom_score_adj(proc, pid) == NEVER)
    return Party(tuple(pid for pid in pids if pid not in exempt), exempt)


def kill(cgroups: CgroupFS, paths: Sequence[str], party: Party) -> Killing:
    """Sends SIGKILL to the party, empties the memcgs, and hands the memory back.

    A pid may have been given to another process since it was read. So each is pinned by a pidfd first, and then looked
    up in the memcgs again: who is there now is whom the pidfd pins.
    """
    killing = Killing()
    pidfds = _pinned(party.killable, killing)
    try:
        present = {pid for path in paths for pid in cgroups.processes(path)}
        for pid, pidfd in pidfds.items():
            if pid in present:
                _signal(pidfd, killing)
        if not party.exempt:  # cgroup.kill spares nobody
            for path in paths:
                _empty(cgroups, path, killing)
        for pid, pidfd in pidfds.items():
            if pid in present:
                release_memory(pidfd)
    finally:
        for pidfd in pidfds.values():
            os.close(pidfd)
    return killing


def _pinned(pids: Iterable[int], killing: Killing) -> dict[int, int]:
    """A pidfd for each process that is still there, or for as many as we may open: cgroup.kill ends the others."""
    pidfds: dict[int, int] = {}
    for pid in pids:
        try:
            pidfds[pid] = os.pidfd_open(pid)
        except OSError as error:
            if error.errno == errno.ESRCH:
                continue
            killing.problems.append(f"pidfd_open: {os.strerror(error.errno or 0)}")
            break
    return pidfds


def _signal(pidfd: int, killing: Killing) -> None:
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    except ProcessLookupError:
        return
    except OSError as error:
        killing.problems.append(f"pidfd_send_signal: {os.strerror(error.errno or 0)}")
        return
    killing.signalled += 1
    killing.signalled_at = killing.signalled_at or time.monotonic()


def _empty(cgroups: CgroupFS, path: str, killing: Killing) -> None:
    try:
        descriptor = os.open(f"{cgroups.root}{path}/cgroup.kill", os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    except OSError as error:
        killing.problems.append(f"{path}/cgroup.kill: {os.strerror(error.errno or 0)}")
        return
    try:
        os.write(descriptor, b"1")
    except OSError as error:
        if error.errno != errno.ENODEV:
            killing.problems.append(f"{path}/cgroup.kill: {os.strerror(error.errno or 0)}")
    finally:
        os.close(descriptor)


def _oom_score_adj(proc: str, pid: int) -> int | None:
    found = read_kernel(f"{proc}/{pid}/oom_score_adj")
    return int(found) if found else None
