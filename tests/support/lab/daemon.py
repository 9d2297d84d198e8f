"""Runs a server in the background: its output in a log file, its life tied to the process that started it."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from lab import tools

__all__ = ["Daemon", "free_port", "tied_to_us", "wait_for"]


def tied_to_us() -> list[str]:
    """The beginning of a command line that gets SIGKILL when the thread that started it ends.

    So start such processes from a thread that stays.
    """
    return [tools.require("setpriv", package="util-linux"), "--pdeathsig", "KILL", "--"]


class Daemon:
    """A server process; ended with SIGTERM, and with SIGKILL when it takes longer than `patience_seconds`."""

    def __init__(
        self, command: Sequence[str | Path], log: Path, environment: Mapping[str, str] = {}, patience_seconds: float = 5
    ) -> None:
        self.name = Path(command[0]).name
        self.log = log
        self._patience_seconds = patience_seconds
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [*tied_to_us(), *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | dict(environment),
            )

    def alive(self) -> bool:
        """Whether the process still runs."""
        return self.process.poll() is None

    def stop(self) -> None:
        """Ends the process and waits for it."""
        self.process.terminate()
        try:
            self.process.wait(self._patience_seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """The process does nothing while the context lasts, and does not know it."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def last_lines(self, count: int = 15) -> str:
        """The end of the log, for error messages."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def free_port() -> int:
    """A TCP port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(what: str, holds: Callable[[], bool], *, daemon: Daemon, patience_seconds: float) -> None:
    """Asks ten times a second until `holds()`.

    Raises:
        RuntimeError: `daemon` died, or `patience_seconds` passed; the message has the end of its log.
    """
    deadline = time.monotonic() + patience_seconds
    while not holds():
        if not daemon.alive() or time.monotonic() > deadline:
            state = "died" if not daemon.alive() else f"was not in time ({patience_seconds:.0f} s)"
            raise RuntimeError(f"{what}: {daemon.name} {state}. Its log ends:\n{daemon.last_lines()}")
        time.sleep(0.1)
