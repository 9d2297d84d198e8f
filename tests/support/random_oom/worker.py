"""A child process that holds memory in a memcg of its own choice, and more of it when it is told to."""

import mmap
import os
import time
from pathlib import Path

__all__ = ["CGROUPS", "MEBIBYTE", "Worker"]

MEBIBYTE = 1 << 20
CGROUPS = Path("/sys/fs/cgroup")
FLAGS = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE
PAGE = 4096
STEP_SECONDS = 0.02
FASTEST_STEP = 8 * MEBIBYTE


class Worker:
    """The child, as its parent sees it. It ends with its parent."""

    def __init__(self, memcg: str, mebibytes: int, oom_score_adj: int = 0) -> None:
        self.memcg = memcg
        self.size = mebibytes
        """What it was last told to hold, in MiB."""
        self._said, says = os.pipe()
        orders, self._orders = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._orders)
            _live(memcg, mebibytes, oom_score_adj, says, orders)
        os.close(says)
        os.close(orders)

    def wait_ready(self) -> None:
        """Returns once it holds its memory."""
        if os.read(self._said, 1) != b"r":
            raise ChildProcessError(f"expected the worker in {self.memcg} to hold its memory, but it has ended")

    def hold(self, mebibytes: int) -> None:
        """Has it hold so much from now on instead of what it held; returns once it does."""
        self.size = mebibytes
        os.write(self._orders, b"=%d\n" % mebibytes)
        self.wait_ready()

    def grow(self, bytes_per_second: int) -> None:
        """Has it take ever more from now on; 0: as fast as it can."""
        os.write(self._orders, b"%d\n" % bytes_per_second)

    def close(self) -> None:
        """Lets go of the pipes to a child that has ended."""
        os.close(self._said)
        os.close(self._orders)


def _live(memcg: str, mebibytes: int, oom_score_adj: int, says: int, orders: int) -> None:
    """All that the child does."""
    try:
        (CGROUPS / memcg.lstrip("/") / "cgroup.procs").write_text("0")
        Path("/proc/self/oom_score_adj").write_text(str(oom_score_adj))
        held: list[mmap.mmap] = []
        _hold(held, mebibytes * MEBIBYTE)
        os.write(says, b"r")
        while order := os.read(orders, 64).decode().strip():
            if not order.startswith("="):
                _grow(held, int(order))
            _hold(held, int(order[1:]) * MEBIBYTE)
            os.write(says, b"r")
    finally:
        os._exit(1)


def _hold(held: list[mmap.mmap], size: int) -> None:
    """Takes what is missing by one system call.

    Between two of them its own code would have to be read from disk again and again while memory runs out, which took
    minutes on a busy machine (88 seconds and more in 2 of some 100 times, else some 4).
    """
    excess = sum(map(len, held)) - size
    while excess > 0 and len(held[-1]) <= excess:
        excess -= len(held[-1])
        held.pop().close()
    if excess > 0:
        held[-1].resize(len(held[-1]) - excess)
    elif excess < 0:
        held.append(_taken(-excess))


def _taken(size: int) -> mmap.mmap:
    """Anonymous memory, filled by the kernel in one go."""
    return mmap.mmap(-1, size, flags=FLAGS)


def _grow(held: list[mmap.mmap], bytes_per_second: int) -> None:
    """Never returns."""
    step = int(bytes_per_second * STEP_SECONDS) // PAGE * PAGE or FASTEST_STEP
    start, size = time.monotonic(), 0
    while True:
        held.append(_taken(step))
        size += step
        if bytes_per_second:
            time.sleep(max(0.0, start + size / bytes_per_second - time.monotonic()))
