"""Reads and writes files as a privileged program must: bounded, no link followed; a vanished file is an answer."""

import errno
import os
import stat

__all__ = ["VANISHED", "append", "make_directory", "read_hostile", "read_kernel", "replace"]

VANISHED = (errno.ENOENT, errno.ENODEV, errno.ESRCH)
"""What reading a file of a memcg or process answers when that is gone: before, during and after the open."""
_CHUNK = 1 << 16
_LARGEST_KERNEL_FILE = 1 << 24


def read_kernel(path: str) -> str | None:
    """The whole of a file of cgroupfs or procfs, or None if what it describes is gone. Other errors are raised."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return _read_all(descriptor, _LARGEST_KERNEL_FILE).decode()
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno in VANISHED:
            return None
        raise


def read_hostile(path: str, limit: int, *, directory: int | None = None) -> bytes:
    """A regular file that somebody else may have replaced by anything; raises OSError if it is not one of that size.

    `directory` is a descriptor that `path` is relative to. No link is followed in its last part, and a FIFO does not
    make us wait for a writer.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    descriptor = os.open(path, flags, dir_fd=directory)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "expected a regular file, found something else", path)
        content = _read_all(descriptor, limit + 1)
    finally:
        os.close(descriptor)
    if len(content) > limit:
        raise OSError(errno.EFBIG, f"expected at most {limit} bytes, found more", path)
    return content


def make_directory(path: str, mode: int) -> int:
    """A directory that exists and has exactly that mode; returns a descriptor of it. Never goes through a link."""
    if not os.path.isdir(path):  # noqa: PTH112 - as below; mkdir on a read-only disk fails also where it exists
        os.mkdir(path, mode)  # noqa: PTH102 - pathlib is not worth its memory in the guard
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY | os.O_NOFOLLOW)
    if stat.S_IMODE(os.fstat(descriptor).st_mode) != mode:  # a disk may have become read-only since it was set
        os.fchmod(descriptor, mode)
    return descriptor


def replace(directory: int, name: str, content: bytes, mode: int) -> None:
    """Put a file in place at once: whoever reads it finds the old one or the new one, whole."""
    temporary = f".{name}.new"
    descriptor = os.open(
        temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, mode, dir_fd=directory
    )
    try:
        os.fchmod(descriptor, mode)
        append(descriptor, content)
    finally:
        os.close(descriptor)
    os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)


def append(descriptor: int, content: bytes) -> None:
    """Write all of it, in one call where the kernel takes it so."""
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def _read_all(descriptor: int, limit: int) -> bytes:
    """Until the end or `limit` bytes; seq_file hands out a page at a time, so one read is not enough."""
    parts, length = [], 0
    while length < limit and (part := os.read(descriptor, min(_CHUNK, limit - length))):
        parts.append(part)
        length += len(part)
    return b"".join(parts)
