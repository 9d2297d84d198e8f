"""Keeps a copy of the last targets that were accepted, for a guard that starts and finds the file damaged.

The copy is in the guard's own directory, where sync cannot write. Its first line says which file it was taken from:
what was accepted from one file says nothing about another.
"""

import json
import os
import time

from oompolicy_agent.guard.disk import Disk
from oompolicy_agent.guard.files import read_hostile, replace
from oompolicy_agent.guard.log import Log

__all__ = ["NAME", "LastGood"]

NAME = "last-good-targets"
INTERVAL = 10.0
"""Seconds from one write to the next: pods come and go, and a copy that old is still a good one."""
LIMIT = (8 << 20) + (1 << 14)
"""Bytes: the largest document, and a first line with the longest path."""


class LastGood:
    """The copy of one file. Writes happen on the thread of `disk`, which is for this alone; `flush` sees to them."""

    def __init__(self, directory: int, disk: Disk, source: str, log: Log) -> None:
        self.problem: str | None = None
        """Why the copy could not be written the last time."""
        self._directory = directory
        self._disk = disk
        self._head = json.dumps({"copyOf": source}).encode() + b"\n"
        self._log = log
        self._wanted: bytes | None = None
        self._writing: bytes | None = None
        """Stays when it could not be written."""
        self._may_write_at = float("-inf")

    def save(self, document: bytes) -> None:
        """Has a document kept as the last good one: at once if the disk is idle, else by a later `flush`."""
        self._wanted = document
        self.flush()

    def flush(self) -> None:
        """Has written what waits, unless the disk is busy or was written to a moment ago; costs next to nothing."""
        if not self._disk.is_idle:
            return
        self._note_error(self._disk.error)
        document, now = self._wanted or self._writing, time.monotonic()
        if document is not None and now >= self._may_write_at:
            self._may_write_at = now + INTERVAL
            self._wanted, self._writing = None, document
            self._disk.start(self._write)

    def load(self) -> bytes | None:
        """The document that was kept of this file, None if there is none; raises OSError."""
        try:
            content = read_hostile(NAME, LIMIT, directory=self._directory)
        except FileNotFoundError:
            return None
        return content.removeprefix(self._head) if content.startswith(self._head) else None

    def _write(self) -> None:
        replace(self._directory, NAME, self._head + (self._writing or b""), 0o600)
        descriptor = os.open(NAME, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=self._directory)
        try:
            os.fsync(descriptor)  # what damages the file may well be a machine that goes down
        finally:
            os.close(descriptor)
        self._writing = None

    def _note_error(self, error: OSError | None) -> None:
        if error and self.problem is None:
            self._log.warning("Could not keep a copy of the targets", path=NAME, err=str(error))
        self.problem = f"No copy of the targets is kept: {error}" if error else None
