"""Runs commands in the guest for the host; PID 1, so it also reaps every orphan.

Speaks frames over the virtio-serial port named `oompolicy.agent`. One thread, one loop: it must answer while the
machine is out of memory, and the kernel never kills PID 1.
"""

import contextlib
import os
import selectors
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from lab.guest.frames import BOOT, CHUNK, Decoder, Frame, Kind, encode, message

__all__ = ["main"]

PORT = "oompolicy.agent"


def port_named(name: str) -> Path:
    """The device of the virtio-serial port that the host called `name`."""
    for port in Path("/sys/class/virtio-ports").iterdir():
        if (port / "name").read_text().strip() == name:
            return Path("/dev") / port.name
    raise FileNotFoundError(f"no virtio-serial port is called {name}")


class Agent:
    """The calls that are open, and the loop that serves them."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._selector = selectors.DefaultSelector()
        self._commands: dict[int, tuple[int, subprocess.Popen[bytes]]] = {}
        self._files: dict[int, BinaryIO] = {}
        self._handlers: dict[Kind, Callable[[Frame], None]] = {
            Kind.START: self._start,
            Kind.SIGNAL: self._signal,
            Kind.PUT: self._put,
            Kind.DATA: self._data,
            Kind.END: self._end,
        }

    def serve(self) -> None:
        """Answers until the host has gone away; then only reaps."""
        child_ended, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        self._selector.register(child_ended, selectors.EVENT_READ, lambda: self._reap(os.read(child_ended, CHUNK)))
        self._selector.register(self._port, selectors.EVENT_READ, None)
        self._send(message(BOOT, Kind.EXIT, returncode=0))
        decoder = Decoder()
        while self._step(decoder):
            pass
        while True:
            _wait_for_a_child()

    def _step(self, decoder: Decoder) -> bool:
        for key, _ in self._selector.select():
            if self._selector.get_map().get(key.fd) is not key:
                continue  # closed, and perhaps its number reused, by what came before it in this round
            if key.data is not None:
                key.data()
            elif data := os.read(self._port, CHUNK):
                for frame in decoder.feed(data):
                    self._handle(frame)
            else:
                return False
        return True

    def _handle(self, frame: Frame) -> None:
        try:
            self._handlers[frame.kind](frame)
        except OSError as error:
            self._send(encode(Frame(frame.call, Kind.STDERR, f"{error}\n".encode())))
            self._send(message(frame.call, Kind.EXIT, returncode=127))

    def _start(self, frame: Frame) -> None:
        request = frame.content
        process = subprocess.Popen(
            request["argv"],
            env=request["env"],
            cwd=request["cwd"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._commands[process.pid] = (frame.call, process)
        for stream, kind in ((process.stdout, Kind.STDOUT), (process.stderr, Kind.STDERR)):
            assert stream is not None
            os.set_blocking(stream.fileno(), False)
            self._selector.register(stream, selectors.EVENT_READ, self._forwarder(frame.call, stream.fileno(), kind))

    def _forwarder(self, call: int, descriptor: int, kind: Kind) -> Callable[[], bool]:
        def forward() -> bool:
            """Passes on what there is; true when there may be more."""
            try:
                data = os.read(descriptor, CHUNK)
            except BlockingIOError:
                return False
            if not data:
                with contextlib.suppress(KeyError):
                    self._selector.unregister(descriptor)
                return False
            self._send(encode(Frame(call, kind, data)))
            return True

        return forward

    def _signal(self, frame: Frame) -> None:
        for pid, (call, _) in self._commands.items():
            if call == frame.call:
                os.killpg(pid, frame.content["signal"])

    def _put(self, frame: Frame) -> None:
        path = Path(frame.content["path"])
        path.parent.mkdir(parents=True, exist_ok=True)
        self._files[frame.call] = path.open("wb")
        path.chmod(frame.content["mode"])

    def _data(self, frame: Frame) -> None:
        if file := self._files.get(frame.call):
            file.write(frame.payload)

    def _end(self, frame: Frame) -> None:
        if file := self._files.pop(frame.call, None):
            file.close()
            self._send(message(frame.call, Kind.EXIT, returncode=0))

    def _reap(self, _: bytes) -> None:
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                self._ended(*ended)

    def _ended(self, pid: int, status: int) -> None:
        """Sends what the command had still written, then its exit: a daemon that keeps its pipes open delays nobody."""
        if pid not in self._commands:
            return
        call, process = self._commands.pop(pid)
        process.returncode = os.waitstatus_to_exitcode(status)
        for stream, kind in ((process.stdout, Kind.STDOUT), (process.stderr, Kind.STDERR)):
            assert stream is not None
            while self._forwarder(call, stream.fileno(), kind)():
                pass
            with contextlib.suppress(KeyError):
                self._selector.unregister(stream)
            stream.close()
        self._send(message(call, Kind.EXIT, returncode=process.returncode))

    def _send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._port, view) :]


def _wait_for_a_child() -> None:
    try:
        os.wait()
    except ChildProcessError:
        signal.pause()


def main() -> None:
    """Takes the port and serves."""
    Agent(os.open(port_named(PORT), os.O_RDWR)).serve()


if __name__ == "__main__":
    main()
