"""Reads and writes oom_score_adj of the processes in a memcg; that one is gone is an ordinary answer."""

import errno
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from oompolicy_agent.guard.files import append, read_kernel
from oompolicy_agent.guard.memcgs import CgroupFS
from oompolicy_agent.guard.processes import INIT, NEVER

__all__ = ["OomScores", "Write"]

_GONE = (errno.ENOENT, errno.ESRCH)
_START = 19
"""Field 22 of /proc/PID/stat, counted from the third: the second is a name, which may hold anything but ends in `)`."""
_LARGEST = 4096


class Write(NamedTuple):
    """One value that is to be written."""

    pid: int
    start: int
    """When the process was started: a pid alone may be somebody else's by then."""
    value: int


@dataclass(frozen=True, slots=True)
class OomScores:
    """Those of one host. All methods raise OSError for whatever is no sign of a process or memcg being gone."""

    cgroups: CgroupFS
    proc: str

    def standing(self, path: str, memcg: int) -> dict[int, int]:
        """By pid: who is in the memcg of that path and id, and at what; without PID 1 and those at -1000.

        Nobody if another memcg has taken its place.
        """
        if self.cgroups.id_of(path) != memcg:
            return {}
        pids = [pid for pid in self.cgroups.processes(path) if pid > INIT]  # 0: in a PID namespace we cannot see into
        found = {pid: value for pid in pids if (value := self.value(pid)) is not None}
        return {pid: value for pid, value in found.items() if value != NEVER}

    def starts(self, path: str, pids: Iterable[int]) -> dict[int, int]:
        """When those who are in the memcg were started; a pid that was given to somebody elsewhere is not in it."""
        found = {pid: start for pid in pids if (start := self.start(pid)) is not None}
        present = set(self.cgroups.processes(path)) if found else set()
        return {pid: start for pid, start in found.items() if pid in present}

    def value(self, pid: int) -> int | None:
        """One process's; None if it is gone."""
        found = read_kernel(f"{self.proc}/{pid}/oom_score_adj")
        return int(found) if found else None

    def start(self, pid: int) -> int | None:
        """When one process was started, in clock ticks since boot; None if it is gone."""
        try:
            return _start_of(_read(f"{self.proc}/{pid}/stat"))
        except OSError as error:
            if error.errno in _GONE:
                return None
            raise

    def write(self, one: Write) -> None:
        """Sets it, if the process is still the same and does not stand at -1000.

        What is opened below a directory of /proc never belongs to another process, whoever has got the pid since.
        """
        try:
            directory = os.open(f"{self.proc}/{one.pid}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in _GONE:
                return
            raise
        try:
            if _start_of(_read("stat", directory)) == one.start and int(_read("oom_score_adj", directory)) != NEVER:
                _write(directory, f"{one.value}\n".encode())
        except OSError as error:
            if error.errno not in _GONE:
                raise
        finally:
            os.close(directory)


def _write(directory: int, content: bytes) -> None:
    descriptor = os.open("oom_score_adj", os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, dir_fd=directory)
    try:
        append(descriptor, content)
    finally:
        os.close(descriptor)


def _read(path: str, directory: int | None = None) -> str:
    """A small file; a process may have put any bytes into its name."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
    try:
        return os.read(descriptor, _LARGEST).decode(errors="replace")
    finally:
        os.close(descriptor)


def _start_of(stat: str) -> int:
    return int(stat.rpartition(")")[2].split()[_START])
