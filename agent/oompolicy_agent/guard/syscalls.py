"""System calls that Python has no function for, through the C library that is loaded already."""

import ctypes
import errno
import os
import resource

__all__ = [
    "add_inotify_watch",
    "call",
    "drop_inotify_watch",
    "last_error",
    "lock_memory",
    "open_inotify",
    "raise_file_limit",
    "release_memory",
    "share_memory",
    "use_one_arena",
]

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.syscall.restype = ctypes.c_long

PROCESS_MRELEASE = 448
"""The same number on every architecture (Linux 5.15)."""
IN_ONLYDIR = 0x01000000
KCMP = {"x86_64": 312, "aarch64": 272}
"""Its number differs, as do those of all calls that are older than the common table."""
KCMP_VM = 1
MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT = 1, 2, 4
M_ARENA_MAX = -8
"""Of glibc's malloc.h; another C library does not have the function, and its heap is not like that."""


def call(number: int, *arguments: object) -> int:
    """A system call by its number, with arguments as ctypes takes them; raises OSError."""
    found = int(_LIBC.syscall(number, *arguments))
    if found < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return found


def use_one_arena() -> None:
    """Lets threads share the C library's heap; call it before they start. Each would reserve 64 MiB of addresses."""
    if hasattr(_LIBC, "mallopt"):
        _LIBC.mallopt(M_ARENA_MAX, 1)


def lock_memory() -> str | None:
    """Keeps the guard's pages in memory from when they are first touched; returns what was wrong, if anything.

    Without MCL_ONFAULT the C library's arenas and thread stacks would be made resident whole, 7 MiB more.
    """
    if _LIBC.mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0:
        return None
    return f"mlockall: {os.strerror(ctypes.get_errno())}"


def raise_file_limit() -> None:
    """Lets us open as many files as we may: a pidfd for each process of a victim comes on top of what is kept open."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def release_memory(pidfd: int) -> bool:
    """Frees the memory of a process that is being killed, in our time instead of its own; whether all of it was freed.

    A process that has freed it already, or is not dying yet, is an ordinary answer.
    """
    if _LIBC.syscall(PROCESS_MRELEASE, pidfd, 0) == 0:
        return True
    return ctypes.get_errno() in {errno.ESRCH, errno.EINVAL}


def share_memory(pid: int, other: int) -> bool:
    """Whether two processes have one address space (CLONE_VM, vfork); False where the kernel cannot tell us.

    Needs CAP_SYS_PTRACE for processes of other users.
    """
    number = KCMP.get(os.uname().machine)
    return number is not None and _LIBC.syscall(number, pid, other, KCMP_VM, 0, 0) == 0


def open_inotify() -> int:
    """A descriptor that has changes of directories to read, non-blocking; -1 if there is none to be had (errno)."""
    return int(_LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))


def add_inotify_watch(descriptor: int, path: str, mask: int) -> int:
    """Has events of `mask` in the directory at `path` told; returns the watch's number, or -1 (errno)."""
    return int(_LIBC.inotify_add_watch(descriptor, os.fsencode(path), mask | IN_ONLYDIR))


def drop_inotify_watch(descriptor: int, number: int) -> None:
    """The reverse; a watch that went with its directory is none any more."""
    _LIBC.inotify_rm_watch(descriptor, number)


def last_error() -> int:
    """The errno of the last call that failed in this thread."""
    return ctypes.get_errno()
