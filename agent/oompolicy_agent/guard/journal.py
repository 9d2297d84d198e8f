"""The journal of decisions: one line each, appended beside the loop, brought to the disk, never edited.

A full or broken disk keeps nobody from guarding: records wait in memory, and in the ring, until they can be written.
"""

import json
import os
import time
from collections import deque
from collections.abc import Mapping

from oompolicy_agent.guard.disk import Disk
from oompolicy_agent.guard.files import append
from oompolicy_agent.guard.log import Log
from oompolicy_agent.guard.ring import Ring

__all__ = ["NAME", "Journal"]

NAME = "decisions.jsonl"
ROTATED = NAME + ".1"
LARGEST = 8 << 20
TAIL = 1 << 20
"""How much of the end a guard that starts reads: hundreds of records."""
RETRY_SECONDS = 1.0
"""From one failed try to the next."""
MOST_WAITING = 128
"""Records that wait for the disk; beyond it the newest is given up, and counted."""


class Journal:
    """Writes to `decisions.jsonl` in a directory, by its descriptor; all writing is done by `disk`'s thread."""

    def __init__(self, directory: int, log: Log, disk: Disk, ring: Ring) -> None:
        self._directory = directory
        self._log = log
        self._disk = disk
        self._ring = ring
        self._descriptor: int | None = None
        self._waiting: deque[tuple[bytes, int | None]] = deque()
        self._unsynced: list[int | None] = []
        self._done: deque[int | None] = deque()
        self._tried_at = float("-inf")
        self._lost = 0
        self.problem: str | None = None
        """What is wrong with it now, for the status."""

    def tail(self) -> list[bytes]:
        """The last lines, oldest first; the first one may be cut. Call it before the first `write`."""
        newer = self._end_of(NAME)
        if newer and not newer.endswith(b"\n"):
            self._log.warning("The journal ends in the middle of a record, which is skipped", path=NAME)
        older = self._end_of(ROTATED) if len(newer) < TAIL else b""
        return (older + newer).splitlines()

    def write(self, record: Mapping[str, object], slot: int | None = None) -> None:
        """Has a record written; `slot` of the ring has kept it so far and is free once it is on disk."""
        if len(self._waiting) >= MOST_WAITING:
            self._lost += 1  # the newest: the oldest may be in the disk's hands
            self._ring.clear(slot)
        else:
            self._waiting.append((json.dumps(record).encode() + b"\n", slot))
        self.flush()

    def flush(self) -> None:
        """Has what waits written, unless the disk is still busy; tells of errors. Cheap when there is nothing."""
        if not self._disk.is_idle:
            return
        while self._done:
            self._ring.clear(self._done.popleft())
        self._tell(self._disk.error)
        now = time.monotonic()
        if self._waiting or self._unsynced:
            if self._disk.error and now - self._tried_at < RETRY_SECONDS:
                return
            self._tried_at = now
            self._disk.start(self._drain)

    def _tell(self, error: OSError | None) -> None:
        if error is None:
            self.problem = None
            return
        if self.problem is None:
            self._log.error("Could not write the journal", path=NAME, err=str(error))
        lost = f"; {self._lost} records are lost" if self._lost else ""
        self.problem = f"{NAME} cannot be written, {len(self._waiting)} records wait{lost}: {error}"

    def _drain(self) -> None:
        """In the disk's thread. What cannot be written whole is taken back and stays at the head of the queue."""
        while self._waiting:
            line, slot = self._waiting[0]
            self._append(line)
            self._waiting.popleft()
            self._unsynced.append(slot)
        os.fdatasync(self._opened())
        self._done.extend(self._unsynced)
        self._unsynced.clear()
        self._rotate()

    def _append(self, line: bytes) -> None:
        descriptor = self._opened()
        size = os.fstat(descriptor).st_size
        try:
            append(descriptor, line)
        except OSError:
            os.ftruncate(descriptor, size)
            raise

    def _opened(self) -> int:
        if self._descriptor is None:
            self._descriptor = self._open()
        return self._descriptor

    def _rotate(self) -> None:
        if self._descriptor is None or os.fstat(self._descriptor).st_size < LARGEST:
            return
        os.rename(NAME, ROTATED, src_dir_fd=self._directory, dst_dir_fd=self._directory)
        descriptor, self._descriptor = self._descriptor, None
        os.close(descriptor)

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
