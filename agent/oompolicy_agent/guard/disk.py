"""Brings written files to the disk beside the guard's loop: a disk may take minutes, and no guard can wait for it."""

import os
import queue
import threading

__all__ = ["Disk"]

STACK_BYTES = 256 << 10
"""The thread calls one system call; everything of the guard is locked into memory."""


class Disk:
    """One thread, started beforehand, that calls fdatasync."""

    def __init__(self) -> None:
        self.error: OSError | None = None
        """Of the last sync; None when it went well."""
        self._descriptors: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._is_idle = threading.Event()
        self._is_idle.set()
        before = threading.stack_size(STACK_BYTES)
        threading.Thread(target=self._run, name="disk", daemon=True).start()
        threading.stack_size(before)

    def sync(self, descriptor: int) -> bool:
        """Asks for a sync of an open file; False when the last one still goes on, so that requests never pile up."""
        if not self._is_idle.is_set():
            return False
        self._is_idle.clear()
        self._descriptors.put(os.dup(descriptor))
        return True

    def wait(self, seconds: float) -> bool:
        """Waits for the sync that goes on; whether it has ended in time. Not for the guard's loop."""
        return self._is_idle.wait(seconds)

    def _run(self) -> None:
        while True:
            descriptor = self._descriptors.get()
            try:
                os.fdatasync(descriptor)
                self.error = None
            except OSError as error:
                self.error = error
            finally:
                os.close(descriptor)
                self._is_idle.set()
