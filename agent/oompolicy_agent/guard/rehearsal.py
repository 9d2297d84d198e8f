"""The rehearsal of a kill at start: in a scratch cgroup, with a child of ours that dies in the place of a victim.

What is done for the first time in a crisis may need pages that are not there: code of the C library, of Python, of the
kernel. So everything is done once beforehand.
"""

import contextlib
import os
import signal
import time

from oompolicy_agent.guard.execution import Execution, Means, Prey
from oompolicy_agent.guard.files import read_kernel
from oompolicy_agent.guard.kill import muster
from oompolicy_agent.guard.records import Decision

__all__ = ["Understudy"]

SCRATCH = "oompolicy-rehearsal"
SECONDS = 5.0
PAUSE = 0.01
FIRST_OF_OURS, MOST_OPEN = 3, 256
"""Descriptors; a guard that starts has opened a few."""


class Understudy:
    """A child process that waits to be killed. Make it before any thread is started: it is forked."""

    def __init__(self) -> None:
        parent = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            _wait_for_the_end(parent)

    def perform(self, means: Means, own: str | None = None) -> str | None:
        """Has the child killed as a victim would be; returns what went wrong.

        `own` is the path of our memcg, if it is known better than /proc says: in a cgroup namespace that says nothing.
        """
        parent = _own_path(means.proc) if own is None else own
        path = f"{parent.rstrip('/')}/{SCRATCH}"
        folder = means.cgroups.root + path
        try:
            _enter(folder, self._pid)
            return _kill(means, path)
        except OSError as error:
            return f"The kill could not be rehearsed in {folder}: {error.strerror}"
        finally:
            self.dismiss()
            with contextlib.suppress(OSError):
                os.rmdir(folder)  # noqa: PTH106 - pathlib is not worth its memory in the guard

    def dismiss(self) -> None:
        """Ends the child, however it was treated."""
        with contextlib.suppress(OSError):
            os.kill(self._pid, signal.SIGKILL)
        with contextlib.suppress(OSError):
            os.waitpid(self._pid, 0)


def _wait_for_the_end(parent: int) -> None:
    """In the child; it must not outlive us, nor do what was registered for our own end."""
    os.closerange(FIRST_OF_OURS, MOST_OPEN)  # the host's lock among them: it must go when we go
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    while os.getppid() == parent:
        signal.sigtimedwait([], 1)
    os._exit(0)


def _enter(folder: str, pid: int) -> None:
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder)  # noqa: PTH102 - pathlib is not worth its memory in the guard
    descriptor = os.open(f"{folder}/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, str(pid).encode())
    finally:
        os.close(descriptor)


def _kill(means: Means, path: str) -> str | None:
    party = muster(means.cgroups, means.proc, [path])
    decision = Decision("rehearsal", time.time(), path, "Enforce", None, None, None)
    decision.document()
    execution = Execution(means, Prey((path,), path, party, 0), decision, time.monotonic(), 0)
    execution.strike()
    end = time.monotonic() + SECONDS
    while execution.look(0, must_hurry=True) is None:
        if time.monotonic() > end:
            return f"The rehearsed kill took more than {SECONDS:g} s"
        time.sleep(PAUSE)
    return "; ".join(execution.problems) or None


def _own_path(proc: str) -> str:
    """Our memcg from the cgroup root, as far as our cgroup namespace shows it."""
    lines = (read_kernel(f"{proc}/self/cgroup") or "").splitlines()
    return next((line[3:] for line in lines if line.startswith("0::")), "/")
