"""Reads files of cgroupfs and procfs through descriptors that stay open, for what is read again and again.

`Kept(most).read(path)` answers as `files.read_kernel(path)` does: the whole text, or None if what it describes is gone.
To open a file allocates kernel memory and walks a path whose entries may have been reclaimed: when memory is short both
can block. To read an open one again from its start makes the kernel write its text anew, into a buffer that it has.
"""

import contextlib
import os
from collections.abc import Callable

from oompolicy_agent.guard.files import VANISHED

__all__ = ["Kept"]

_CHUNK = 1 << 14
_LARGEST_KERNEL_FILE = 1 << 24


class Kept:
    """At most `most` (one or more) open descriptors; where there is no room, the one unused for longest is closed.

    A descriptor goes on to belong to what was opened: if a memcg is removed and another made in its place, the old one
    answers ENODEV (a process: ESRCH), and the path is opened again, once. For one thread only.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._descriptors: dict[str, int] = {}
        """By path; the one used last is the last."""

    def __del__(self) -> None:
        """Leaves nothing open when it is no longer needed."""
        self.close()

    def read(self, path: str) -> str | None:
        """The whole file, or None if what it describes is gone. Raises OSError for everything else."""
        kept = self._descriptors.pop(path, None)
        if kept is not None:
            found = self._read(path, kept)
            if found is not None:
                return found
        try:
            opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in VANISHED:
                return None
            raise
        return self._read(path, opened)

    def forget(self, keep: Callable[[str], bool]) -> None:
        """Closes all whose path `keep` says no to."""
        for path in [path for path in self._descriptors if not keep(path)]:
            _close(self._descriptors.pop(path))

    def close(self) -> None:
        """Closes all; the next read opens again."""
        self.forget(lambda _: False)

    def _read(self, path: str, descriptor: int) -> str | None:
        """Reads and keeps the descriptor; closes it if that fails, and returns None if that is because it is gone."""
        try:
            text = _read_all(descriptor).decode()
        except OSError as error:
            _close(descriptor)
            if error.errno in VANISHED:
                return None
            raise
        except ValueError:
            _close(descriptor)
            raise
        while len(self._descriptors) >= self._most:
            _close(self._descriptors.pop(next(iter(self._descriptors))))
        self._descriptors[path] = descriptor
        return text


def _read_all(descriptor: int) -> bytes:
    """From the start to the end: /proc/vmstat comes a page at a time, and only an empty read says that it was all."""
    parts, length = [], 0
    while length < _LARGEST_KERNEL_FILE and (part := os.pread(descriptor, _CHUNK, length)):
        parts.append(part)
        length += len(part)
    return b"".join(parts)


def _close(descriptor: int) -> None:
    with contextlib.suppress(OSError):
        os.close(descriptor)
