"""One guard per host acts: whoever holds the lock. It goes with the process, however that ends."""

import contextlib
import errno
import fcntl
import os

__all__ = ["NAME", "holder", "try_lock"]

NAME = "guard.lock"
LONGEST = 256


def try_lock(directory: int, who: str) -> int | None:
    """Takes the lock in the state directory; returns the descriptor that holds it, or None while another guard does.

    `who` takes it, on one line, for `holder`.
    """
    descriptor = _open(directory)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    with contextlib.suppress(OSError):  # a full disk, or one that is read-only, keeps nobody from guarding
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{who}\n".encode(), 0)
    return descriptor


def holder(directory: int) -> str:
    """Who holds the lock, as it said itself."""
    try:
        descriptor = os.open(NAME, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=directory)
    except OSError:
        return "unknown"
    try:
        return os.read(descriptor, LONGEST).decode(errors="replace").strip() or "unknown"
    finally:
        os.close(descriptor)


def _open(directory: int) -> int:
    """On a disk that has become read-only the file that is there is as good: it is locked, not written."""
    try:
        return os.open(NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600, dir_fd=directory)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        return os.open(NAME, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=directory)
