"""The host's end of the wire to a guest's agent: starts commands there, hands back what they write, sends files."""

import itertools
import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lab.guest.frames import BOOT, CHUNK, Decoder, Frame, Kind, encode, message
from lab.guest_process import GuestProcess

__all__ = ["Channel"]

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}


class Channel:
    """All calls over one socket; a thread of its own reads it, any thread may call."""

    def __init__(self, connection: socket.socket, lost: Callable[[], Exception]) -> None:
        self._connection = connection
        self._lost = lost
        self._numbers = itertools.count(1)
        self._writing = threading.Lock()
        self._calls = {BOOT: self._process(BOOT, ["boot"])}
        self._gone = False
        threading.Thread(target=self._read, name="guest-channel", daemon=True).start()

    def wait_ready(self, timeout: float) -> None:
        """Returns once the guest's agent has answered."""
        self._calls[BOOT].wait(timeout)

    def start(self, argv: Sequence[str], env: Mapping[str, str], cwd: str) -> GuestProcess:
        """Starts a command in the guest; `env` is added to a plain one."""
        process, number = self._open(argv)
        self._send(message(number, Kind.START, argv=process.argv, env=ENVIRONMENT | dict(env), cwd=cwd))
        return process

    def push(self, source: Path, target: str, timeout: float) -> None:
        """Writes the file `source` to `target` in the guest, with its mode."""
        process, number = self._open(["write", target])
        self._send(message(number, Kind.PUT, path=target, mode=source.stat().st_mode & 0o777))
        with source.open("rb") as file:
            while data := file.read(CHUNK):
                self._send(encode(Frame(number, Kind.DATA, data)))
        self._send(encode(Frame(number, Kind.END)))
        process.wait(timeout, check=True)

    def _open(self, argv: Sequence[str]) -> tuple[GuestProcess, int]:
        number = next(self._numbers)
        process = self._calls[number] = self._process(number, [os.fspath(word) for word in argv])
        if self._gone:
            raise self._lost()
        return process, number

    def _process(self, number: int, argv: Sequence[str]) -> GuestProcess:
        return GuestProcess(argv, lambda signal_: self._send(message(number, Kind.SIGNAL, signal=signal_)), self._lost)

    def _send(self, data: bytes) -> None:
        try:
            with self._writing:
                self._connection.sendall(data)
        except OSError as error:
            raise self._lost() from error

    def _read(self) -> None:
        decoder = Decoder()
        while data := self._receive():
            for frame in decoder.feed(data):
                self._calls[frame.call].received(frame)
        self._gone = True
        for process in list(self._calls.values()):
            process.guest_is_gone()

    def _receive(self) -> bytes:
        try:
            return self._connection.recv(CHUNK)
        except OSError:
            return b""
