"""Has the kernel say when a file in one of a few directories is put in place, written or removed (inotify)."""

import contextlib
import os
from collections.abc import Iterable

from oompolicy_agent.guard.syscalls import add_inotify_watch, open_inotify

__all__ = ["FolderWatch"]

IN_CLOSE_WRITE, IN_MOVED_TO, IN_CREATE, IN_DELETE = 0x8, 0x80, 0x100, 0x200
CHUNK = 1 << 14


class FolderWatch:
    """Watches directories; what exactly has changed, whoever is woken looks up.

    `descriptor` becomes readable when something has changed; -1: it cannot be had, or not for all of them, and
    whoever waits has to ask now and then.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self.descriptor = open_inotify()
        mask = IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE
        for path in paths:
            add_inotify_watch(self.descriptor, path, mask)  # one that cannot be watched is asked every second anyway

    def take(self) -> None:
        """Takes note of all that has changed so far, so that the next change is news."""
        if self.descriptor < 0:
            return
        with contextlib.suppress(BlockingIOError):
            while os.read(self.descriptor, CHUNK):
                pass
