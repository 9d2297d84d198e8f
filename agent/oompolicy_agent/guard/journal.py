"""The journal of decisions: appended, flushed, never edited. A full or broken disk keeps nobody from guarding."""

import json
import os
from collections.abc import Mapping

from oompolicy_agent.guard.disk import Disk
from oompolicy_agent.guard.files import append
from oompolicy_agent.guard.log import Log

__all__ = ["NAME", "Journal"]

NAME = "decisions.jsonl"
ROTATED = NAME + ".1"
LARGEST = 8 << 20
TAIL = 1 << 20
"""How much of the end a guard that starts reads: hundreds of records."""


class Journal:
    """Writes to `decisions.jsonl` in a directory, by its descriptor."""

    def __init__(self, directory: int, log: Log, disk: Disk) -> None:
        self._directory = directory
        self._log = log
        self._disk = disk
        self._descriptor = self._open()
        self._is_new = False
        self.problem: str | None = None
        """What is wrong with it now, for the status."""

    def tail(self) -> list[bytes]:
        """The last lines, oldest first; the first one may be cut."""
        rotated = self._end_of(ROTATED) if os.fstat(self._descriptor).st_size < TAIL else b""
        return (rotated + self._end_of(NAME)).splitlines()

    def write(self, record: Mapping[str, object]) -> None:
        """Appends a record, so that it survives our death but not the machine's: no kill may wait for a disk."""
        try:
            append(self._descriptor, json.dumps(record).encode() + b"\n")
            self._is_new, self.problem = True, None
        except OSError as error:
            self._fail(error)

    def flush(self) -> None:
        """Has what is new brought to the disk; starts another file when this is large. Call it between decisions."""
        if not self._is_new or not self._disk.is_idle:
            return
        self._is_new = False
        try:
            if self._disk.error:
                raise self._disk.error
            self._sync()
            if os.fstat(self._descriptor).st_size >= LARGEST:
                os.rename(NAME, ROTATED, src_dir_fd=self._directory, dst_dir_fd=self._directory)
                os.close(self._descriptor)
                self._descriptor = self._open()
        except OSError as error:
            self._fail(error)

    def _sync(self) -> None:
        descriptor = os.dup(self._descriptor)

        def sync() -> None:
            try:
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)

        self._disk.start(sync)

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(NAME, flags, 0o644, dir_fd=self._directory)
        os.fchmod(descriptor, 0o644)  # whatever our umask is, sync must be able to read it
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":  # a crash cut the last record short
            append(descriptor, b"\n")
        return descriptor

    def _end_of(self, name: str) -> bytes:
        try:
            descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=self._directory)
        except FileNotFoundError:
            return b""
        try:
            return os.pread(descriptor, TAIL, max(0, os.fstat(descriptor).st_size - TAIL))
        finally:
            os.close(descriptor)

    def _fail(self, error: OSError) -> None:
        if self.problem is None:
            self._log.error("Could not write the journal", path=NAME, err=str(error))
        self.problem = f"{NAME} cannot be written: {error}"
