"""One guard per host acts: whoever holds the lock. It goes with the process, however that ends."""

import fcntl
import os

__all__ = ["try_lock"]

NAME = "guard.lock"


def try_lock(directory: int) -> int | None:
    """Takes the lock in the state directory; returns the descriptor that holds it, or None while another guard does."""
    descriptor = os.open(NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600, dir_fd=directory)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
