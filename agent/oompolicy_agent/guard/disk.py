"""Does beside the guard's loop what may wait for a disk: that may take minutes, and no guard can wait for it."""

import queue
import threading
from collections.abc import Callable

__all__ = ["Disk"]

STACK_BYTES = 256 << 10
"""The thread calls a few functions; everything of the guard is locked into memory."""

Task = Callable[[], None]


class Disk:
    """One thread, started beforehand, that does one thing at a time."""

    def __init__(self) -> None:
        self.error: OSError | None = None
        """Of the last task; None when it went well."""
        self._tasks: queue.SimpleQueue[Task] = queue.SimpleQueue()
        self._is_idle = threading.Event()
        self._is_idle.set()
        before = threading.stack_size(STACK_BYTES)
        threading.Thread(target=self._run, name="disk", daemon=True).start()
        threading.stack_size(before)

    @property
    def is_idle(self) -> bool:
        """Whether the last task has ended."""
        return self._is_idle.is_set()

    def start(self, task: Task) -> None:
        """Has a task done; only while it is idle, so that tasks never pile up."""
        self._is_idle.clear()
        self._tasks.put(task)

    def wait(self, seconds: float) -> bool:
        """Waits for the task that goes on; whether it has ended in time. Not for the guard's loop."""
        return self._is_idle.wait(seconds)

    def _run(self) -> None:
        while True:
            task = self._tasks.get()
            try:
                task()
                self.error = None
            except OSError as error:
                self.error = error
            finally:
                self._is_idle.set()
