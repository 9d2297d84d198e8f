"""A command that runs in a guest, as the host sees it: what it has written, how it ended, and waiting for both."""

import shlex
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence

from lab.guest.frames import Frame, Kind

__all__ = ["CommandFailedError", "GuestLostError", "GuestProcess"]


class GuestLostError(RuntimeError):
    """The guest ended, or never booted; the message carries the end of its console."""


class CommandFailedError(RuntimeError):
    """A command in the guest ended with another code than 0."""

    def __init__(self, result: subprocess.CompletedProcess[str]) -> None:
        self.result = result
        said = (result.stderr or result.stdout)[-4000:]
        super().__init__(f"{shlex.join(result.args)} ended with {result.returncode} in the guest:\n{said}")


class GuestProcess:
    """A command that runs in the guest."""

    def __init__(self, argv: Sequence[str], send_signal: Callable[[int], None], lost: Callable[[], Exception]) -> None:
        self.argv = list(argv)
        self._send_signal = send_signal
        self._lost = lost
        self._written = {Kind.STDOUT: bytearray(), Kind.STDERR: bytearray()}
        self._returncode: int | None = None
        self._guest_is_gone = False
        self._changed = threading.Condition()

    @property
    def returncode(self) -> int | None:
        """As in subprocess: None while it runs, negative for a signal."""
        return self._returncode

    @property
    def stdout(self) -> str:
        """What it has written so far."""
        return self._text(Kind.STDOUT)

    @property
    def stderr(self) -> str:
        """What it has complained about so far."""
        return self._text(Kind.STDERR)

    def signal(self, number: int) -> None:
        """Sends a signal to its process group."""
        self._send_signal(number)

    def kill(self) -> None:
        """Sends SIGKILL to its process group."""
        self.signal(signal.SIGKILL)

    def wait(self, timeout: float, *, check: bool = False) -> subprocess.CompletedProcess[str]:
        """Its result; raises subprocess.TimeoutExpired after `timeout` seconds and leaves it running.

        With `check`, another return code than 0 raises CommandFailedError.
        """
        self._wait_until(lambda: self._returncode is not None, timeout)
        assert self._returncode is not None
        result = subprocess.CompletedProcess(self.argv, self._returncode, self.stdout, self.stderr)
        if check and result.returncode != 0:
            raise CommandFailedError(result)
        return result

    def wait_for(self, text: str, timeout: float) -> None:
        """Returns once `text` stands in its stdout or stderr; raises when it ended without, or after `timeout`."""
        self._wait_until(lambda: self._has_written(text) or self._returncode is not None, timeout)
        if not self._has_written(text):
            raise CommandFailedError(self.wait(timeout=0))

    def received(self, frame: Frame) -> None:
        """Takes in one message of the guest; called by the channel's reader."""
        with self._changed:
            if frame.kind is Kind.EXIT:
                self._returncode = frame.content["returncode"]
            else:
                self._written[frame.kind] += frame.payload
            self._changed.notify_all()

    def guest_is_gone(self) -> None:
        """Nothing more will come; called by the channel's reader."""
        with self._changed:
            self._guest_is_gone = True
            self._changed.notify_all()

    def _wait_until(self, condition: Callable[[], bool], timeout: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: condition() or self._guest_is_gone, timeout)
            if condition():
                return
        if self._guest_is_gone:
            raise self._lost()
        raise subprocess.TimeoutExpired(self.argv, timeout, self.stdout.encode(), self.stderr.encode())

    def _has_written(self, text: str) -> bool:
        return text in self.stdout or text in self.stderr

    def _text(self, kind: Kind) -> str:
        with self._changed:
            return self._written[kind].decode(errors="replace")
