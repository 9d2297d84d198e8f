"""The messages between host and guest: frames on a byte stream, each with a call's number, a kind and a payload.

A call is one command or one file that is being written. The host numbers them. Both sides import this module.
"""

import json
import struct
from collections.abc import Iterator
from enum import Enum
from typing import Any, NamedTuple

__all__ = ["BOOT", "CHUNK", "Decoder", "Frame", "Kind", "encode", "message"]

_HEADER = struct.Struct(">IcI")

BOOT = 0
"""The call that nobody makes: it ends when the guest has booted."""

CHUNK = 64 * 1024
"""The most bytes of content in one frame."""


class Kind(Enum):
    """What a frame says. The first five go to the guest, the others come from it."""

    START = b"S"
    """JSON {argv, env, cwd}: start a command; the call lives until EXIT."""
    SIGNAL = b"K"
    """JSON {signal}: send it to the command's process group."""
    PUT = b"P"
    """JSON {path, mode}: a file begins."""
    DATA = b"D"
    """Bytes of that file."""
    END = b"."
    """The file is complete; answered with EXIT."""
    STDOUT = b"O"
    STDERR = b"E"
    EXIT = b"X"
    """JSON {returncode}: negative for a signal, as in subprocess; 127 if the command could not be started."""


class Frame(NamedTuple):
    """One message of call number `call`."""

    call: int
    kind: Kind
    payload: bytes = b""

    @property
    def content(self) -> Any:  # noqa: ANN401 - whatever JSON the kind promises
        """The payload of a JSON kind, decoded."""
        return json.loads(self.payload)


def encode(frame: Frame) -> bytes:
    """The bytes of `frame`."""
    return _HEADER.pack(frame.call, frame.kind.value, len(frame.payload)) + frame.payload


def message(call: int, kind: Kind, **content: object) -> bytes:
    """The bytes of a frame whose payload is JSON."""
    return encode(Frame(call, kind, json.dumps(content).encode()))


class Decoder:
    """Cuts a byte stream into frames, whatever pieces it arrives in."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are complete now that `data` has arrived."""
        self._pending += data
        while len(self._pending) >= _HEADER.size:
            call, kind, length = _HEADER.unpack_from(self._pending)
            end = _HEADER.size + length
            if len(self._pending) < end:
                return
            payload = bytes(self._pending[_HEADER.size : end])
            del self._pending[:end]
            yield Frame(call, Kind(kind), payload)
