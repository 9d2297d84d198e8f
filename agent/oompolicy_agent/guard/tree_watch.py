"""Has the kernel say which directories of cgroupfs have gained or lost a memcg, so that nobody has to ask (inotify).

The watch is put on a directory before it is listed: what comes later is an event, what came before is in the list.
"""

import ctypes
import errno
import os
import struct
from collections.abc import Mapping

__all__ = ["TreeWatch"]

_LIBC = ctypes.CDLL(None, use_errno=True)

IN_CREATE, IN_DELETE, IN_ONLYDIR = 0x100, 0x200, 0x01000000
IN_IGNORED, IN_Q_OVERFLOW, IN_ISDIR = 0x8000, 0x4000, 0x40000000
EVENT = struct.Struct("iIII")
"""struct inotify_event: watch, mask, cookie, and how many bytes of name follow."""
CHUNK = 1 << 14
MOST_READS = 64
"""In one go. The kernel queues at most 16,384 events and says so when it has dropped some."""
MOST_WATCHES = 16384
"""Directories. A node with more of them is asked by polling."""


class TreeWatch:
    """Watches directories; for one thread.

    `descriptor` becomes readable when something has changed, -1: it cannot be had here, and `problem` says why.
    """

    def __init__(self) -> None:
        self.descriptor: int = _LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self.problem: str | None = None if self.descriptor >= 0 else _told("inotify_init1")
        self._watches: dict[str, tuple[int, int]] = {}
        """By path: the id of the directory, and the kernel's number for the watch."""
        self._paths: dict[int, str] = {}

    def watch(self, path: str, identity: int) -> None:
        """Watches the directory at `path`; `identity` tells it from one that was at that path before.

        Where it cannot be watched, `problem` says why; a directory that has gone already is none.
        """
        known = self._watches.get(path)
        if self.descriptor < 0 or (known and known[0] == identity):
            return
        if len(self._watches) >= MOST_WATCHES:
            self.problem = f"More than {MOST_WATCHES} directories of cgroups are not watched; they are polled instead"
            return
        number = _LIBC.inotify_add_watch(self.descriptor, os.fsencode(path), IN_CREATE | IN_DELETE | IN_ONLYDIR)
        if number >= 0:
            self._watches[path] = (identity, number)
            self._paths[number] = path
        elif ctypes.get_errno() not in {errno.ENOENT, errno.ENOTDIR}:
            self.problem = _told("inotify_add_watch")

    def keep(self, paths: Mapping[str, object]) -> None:
        """Stops watching all others."""
        for path in [path for path in self._watches if path not in paths]:
            _, number = self._watches.pop(path)
            if self._paths.get(number) == path:
                del self._paths[number]
                _LIBC.inotify_rm_watch(self.descriptor, number)  # EINVAL: it went with its directory

    def retry(self) -> None:
        """Takes it that what was wrong may have been put right; whoever watches again will see."""
        if self.descriptor >= 0:
            self.problem = None

    def take(self) -> set[str] | None:
        """The directories that have changed since the last call; None: so many that the kernel has lost count."""
        changed: set[str] = set()
        for _ in range(MOST_READS if self.descriptor >= 0 else 0):
            try:
                events = os.read(self.descriptor, CHUNK)
            except BlockingIOError:
                return changed
            if not self._note(events, changed):
                return None
        return changed

    def close(self) -> None:
        """Gives everything back."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
        self._watches.clear()
        self._paths.clear()

    def __del__(self) -> None:
        """A user has 128 of these by default, so none may be left behind."""
        self.close()

    def _note(self, events: bytes, changed: set[str]) -> bool:
        """Adds to `changed`; whether nothing was lost."""
        offset, is_complete = 0, True
        while offset < len(events):
            number, mask, _, length = EVENT.unpack_from(events, offset)
            offset += EVENT.size + length
            is_complete = is_complete and not mask & IN_Q_OVERFLOW
            if mask & IN_IGNORED:
                self._forget(number)
            elif number in self._paths and mask & IN_ISDIR:
                changed.add(self._paths[number])
        return is_complete

    def _forget(self, number: int) -> None:
        """The kernel has dropped the watch, because its directory is gone."""
        path = self._paths.pop(number, None)
        if path is not None and self._watches.get(path, (0, 0))[1] == number:
            del self._watches[path]


def _told(call: str) -> str:
    """What went wrong and what to do about it."""
    code = ctypes.get_errno()
    advice = {
        errno.ENOSPC: "; raise fs.inotify.max_user_watches",
        errno.EMFILE: "; raise fs.inotify.max_user_instances or the limit of open files",
    }.get(code, "")
    return f"New memcgs are noticed by polling: {call}: {os.strerror(code)}{advice}"
