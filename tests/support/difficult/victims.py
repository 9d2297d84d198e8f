"""Victims that die hard, each made by one command, which says in one line when it is ready.

`python3 -m difficult.victims COMMAND`, with the options that the command's parameters are. Sizes are MiB.
"""

import argparse
import contextlib
import ctypes
import itertools
import mmap
import os
import signal
import threading
import time
from pathlib import Path
from types import FrameType

from difficult.command import LIBC, MEBIBYTE, PAGE, run, say, taken, touch

CLONE_VM, CLONE_VFORK = 0x100, 0x4000
STACK_BYTES = 64 << 10
LIFE_SECONDS, FORK_SECONDS = 5.0, 0.5
"""Of a process of `bomb`: how long it lives, and how often it forks."""
MOST_MAPPINGS = 32_000
"""Half of what Linux lets a process have (vm.max_map_count)."""
CHURN = 4
FREE_SECONDS = 0.2
OWN_CODE = 3
WRITE_SECONDS = 0.005
LOOK_SECONDS = 0.1


def write(mebibytes: int, path: str, *, shared: bool) -> None:
    """Holds memory and writes to a file for ever: whoever freezes the file system makes it uninterruptible.

    With `shared` the memory is of the kind that process_mrelease leaves alone.
    """
    memory = mmap.mmap(-1, mebibytes * MEBIBYTE) if shared else taken(mebibytes)
    touch(memory)
    with Path(path).open("w+b", buffering=0) as file:
        say(f"holding {mebibytes} MiB")
        for step in itertools.count():
            os.pwrite(file.fileno(), bytes(PAGE), step % 256 * PAGE)
            time.sleep(WRITE_SECONDS)


def bomb(mebibytes: int) -> None:
    """Holds memory, and every process that there is forks again and again, for as long as pids.max lets it."""
    memory = taken(mebibytes)
    memory.madvise(mmap.MADV_DONTFORK)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody has to be reaped
    say(f"holding {mebibytes} MiB")
    end = float("inf")
    while time.monotonic() < end:
        with contextlib.suppress(BlockingIOError):  # the limit, for now
            if os.fork() == 0:
                end = time.monotonic() + LIFE_SECONDS
        time.sleep(FORK_SECONDS)
    os._exit(0)  # makes room, so that there is always somebody who forks


def crumble(mebibytes: int) -> None:
    """Holds memory in small pages and very many mappings, which takes its time to take down."""
    memory = mmap.mmap(-1, mebibytes * MEBIBYTE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_NOHUGEPAGE)
    touch(memory)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    step = 2 * len(memory) // MOST_MAPPINGS // PAGE * PAGE
    for offset in range(0, len(memory), step):  # each splits one mapping in two
        if LIBC.mprotect(ctypes.c_void_p(start + offset), PAGE, mmap.PROT_READ) == -1:
            raise OSError(ctypes.get_errno(), "mprotect")
    say(f"holding {mebibytes} MiB")
    signal.pause()


def fill(mebibytes: int, path: str) -> None:
    """Writes files in a tmpfs, which are charged to whoever writes them and stay when that one dies."""
    with Path(path).open("wb") as file:
        file.writelines(bytes(MEBIBYTE) for _ in range(mebibytes))
    say(f"holding {mebibytes} MiB")
    signal.pause()


def share(mebibytes: int, *, vfork: bool) -> None:
    """Holds memory together with a child that has the same address space and is no thread.

    With `vfork`, whoever made the child sleeps until that has gone, as between vfork and exec.
    """
    memory, stack = taken(mebibytes), mmap.mmap(-1, STACK_BYTES)
    top = ctypes.addressof(ctypes.c_char.from_buffer(stack)) + STACK_BYTES
    flags = CLONE_VM | signal.SIGCHLD | (CLONE_VFORK if vfork else 0)
    LIBC.clone.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p]
    # The child runs C's pause() on a stack of its own: Python could not have two of it in one address space.
    pause = ctypes.cast(LIBC.pause, ctypes.c_void_p)
    threading.Thread(target=LIBC.clone, args=(pause, top, flags, None)).start()
    while not (child := children()):
        time.sleep(LOOK_SECONDS)
    say(f"pair {os.getpid()} {child} holding {len(memory) // MEBIBYTE} MiB")
    signal.pause()


def children() -> str:
    """The pids of our children, separated by spaces."""
    return "".join(path.read_text() for path in Path("/proc/self/task").glob("*/children")).strip()


def soften(mebibytes: int, *, ignoring: bool) -> None:
    """Holds memory; on SIGTERM ends after 200 ms with a code of its own, or, `ignoring`, does nothing."""
    memory = taken(mebibytes)

    def free(_number: int, _frame: FrameType | None) -> None:
        say("got SIGTERM")
        if not ignoring:
            time.sleep(FREE_SECONDS)
            os._exit(OWN_CODE)

    signal.signal(signal.SIGTERM, free)
    say(f"holding {len(memory) // MEBIBYTE} MiB")
    while True:
        signal.pause()


def busy(mebibytes: int) -> None:
    """Holds memory and touches it, and takes and gives back a little all the time, as a working program does."""
    memory = taken(mebibytes)
    say(f"holding {mebibytes} MiB")
    while True:
        taken(CHURN).close()
        touch(memory)


if __name__ == "__main__":
    run(argparse.ArgumentParser(description=__doc__), (write, bomb, crumble, fill, share, soften, busy))
