"""Kills what is in a memcg: signals to the processes that are there, then `cgroup.kill` for what forks meanwhile.

The signals need no lock of the cgroup system; `cgroup.kill` needs cgroup_mutex and process_mrelease the victim's
mmap_lock, which others may hold for long. So both are done by threads that were started beforehand.
"""

import errno
import os
import signal
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from oompolicy_agent.guard.disk import Disk
from oompolicy_agent.guard.memcgs import CgroupFS
from oompolicy_agent.guard.processes import INIT, is_exempt, is_killed
from oompolicy_agent.guard.syscalls import release_memory

__all__ = ["INIT", "Crew", "Killing", "Party", "kill", "muster", "terminate"]

RELEASE_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Party:
    """The processes of a unit just before it is killed."""

    killable: tuple[int, ...]
    exempt: tuple[int, ...]
    """At oom_score_adj -1000, or PID 1."""
    was_killed: bool = False
    """Whether SIGKILL has reached all that are killable: by kubelet, the kernel, or the guard before us."""

    @property
    def is_dying(self) -> bool:
        """Whether nobody is left to signal: exiting processes are not listed, though their memory still counts."""
        return self.was_killed or not (self.killable or self.exempt)


@dataclass(slots=True)
class Killing:
    """What was done."""

    signalled: int = 0
    signalled_at: float = 0.0
    """Of the monotonic clock, when the first signal had been sent."""
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Crew:
    """The threads that do what may block; what they are stuck in keeps nobody from signalling."""

    sweeper: Disk = field(default_factory=Disk)
    """Writes `cgroup.kill`."""
    reaper: Disk = field(default_factory=Disk)
    """Hands memory back, and closes the pidfds."""


def muster(cgroups: CgroupFS, proc: str, paths: Iterable[str]) -> Party:
    """Who is in the memcgs at `paths` and below them, and who of them may be killed."""
    pids = [pid for path in paths for pid in cgroups.processes(path)]
    exempt = tuple(pid for pid in pids if is_exempt(proc, pid))
    killable = tuple(pid for pid in pids if pid not in exempt)
    return Party(killable, exempt, bool(killable) and all(is_killed(proc, pid) for pid in killable))


def kill(cgroups: CgroupFS, paths: Sequence[str], pids: Iterable[int], crew: Crew, *, whole: bool) -> Killing:
    """Sends SIGKILL to `pids`, as far as they are in the memcgs at `paths`, and has their memory handed back.

    With `whole` everything in the memcgs may die, also what is forked meanwhile.
    """
    killing = Killing()
    pidfds = _signalled(cgroups, paths, pids, signal.SIGKILL, killing)
    if whole and crew.sweeper.is_idle:
        crew.sweeper.start(lambda: _empty(cgroups, paths))
    if crew.reaper.is_idle:
        crew.reaper.start(lambda: _release(pidfds))
    else:
        _close(pidfds)
    return killing


def terminate(cgroups: CgroupFS, paths: Sequence[str], pids: Iterable[int]) -> Killing:
    """Asks `pids` to end, by SIGTERM."""
    killing = Killing()
    _close(_signalled(cgroups, paths, pids, signal.SIGTERM, killing))
    return killing


def _signalled(
    cgroups: CgroupFS, paths: Sequence[str], pids: Iterable[int], number: signal.Signals, killing: Killing
) -> list[int]:
    """Pidfds of those who were sent the signal.

    A pid may have been given to another process since it was read. So each is pinned by a pidfd first, and then looked
    up in the memcgs again: who is there now is whom the pidfd pins.
    """
    pinned = _pinned(pids, killing)
    present = {pid for path in paths for pid in cgroups.processes(path)} if pinned else set()
    _close([pidfd for pid, pidfd in pinned.items() if pid not in present])
    found = [pidfd for pid, pidfd in pinned.items() if pid in present]
    for pidfd in found:
        _signal(pidfd, number, killing)
    return found


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


def _signal(pidfd: int, number: signal.Signals, killing: Killing) -> None:
    try:
        signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return
    except OSError as error:
        killing.problems.append(f"pidfd_send_signal: {os.strerror(error.errno or 0)}")
        return
    killing.signalled += 1
    killing.signalled_at = killing.signalled_at or time.monotonic()


def _empty(cgroups: CgroupFS, paths: Sequence[str]) -> None:
    """In the sweeper's thread; raises OSError for anything but a memcg that is gone."""
    for path in paths:
        try:
            descriptor = os.open(f"{cgroups.root}{path}/cgroup.kill", os.O_WRONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            os.write(descriptor, b"1")
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise
        finally:
            os.close(descriptor)


def _release(pidfds: list[int]) -> None:
    """In the reaper's thread."""
    for pidfd in pidfds:
        attempts = RELEASE_ATTEMPTS
        while attempts and not release_memory(pidfd):  # its mmap_lock is taken
            attempts -= 1
        os.close(pidfd)


def _close(pidfds: Iterable[int]) -> None:
    for pidfd in pidfds:
        os.close(pidfd)
