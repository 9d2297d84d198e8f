"""The workload that must live: goes round and round over its memory and keeps its longest pause in a file.

`crit.py MEBIBYTES RECORD`. On SIGUSR1 the longest so far becomes the quiet pause, and the longest is counted anew.
"""

import gc
import itertools
import mmap
import signal
import struct
import sys
import time

MEBIBYTE = 1 << 20
PAGE = 4096
STRIDE = 2 * MEBIBYTE
TICK_SECONDS = 0.005

RECORD = struct.Struct("<ddd")
"""The longest pause before the last SIGUSR1, the longest since, and when the last tick was; seconds, monotonic."""
QUIET, LONGEST, LAST = range(3)


def anonymous(mebibytes: int) -> mmap.mmap:
    """Private memory of that size, every page written."""
    memory = mmap.mmap(-1, mebibytes * MEBIBYTE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory[::PAGE] = b"x" * (len(memory) // PAGE)
    return memory


class Pauses:
    """The longest pauses, in a file that outlives the process."""

    def __init__(self, path: str) -> None:
        with open(path, "w+b") as file:  # noqa: PTH123 - pathlib would be more memory in a small workload
            file.truncate(RECORD.size)
            # Each figure is stored at once: pack_into clears the bytes first, and somebody may die in between.
            self._record = memoryview(mmap.mmap(file.fileno(), RECORD.size)).cast("d")
        self._quiet = self._longest = 0.0
        self._last = time.monotonic()

    def begin(self, *_: object) -> None:
        """From now on it counts."""
        self._quiet, self._longest = self._longest, 0.0

    def tick(self) -> None:
        """One step is done."""
        now = time.monotonic()
        self._longest = max(self._longest, now - self._last)
        self._last = now
        self._record[QUIET] = self._quiet
        self._record[LONGEST] = self._longest
        self._record[LAST] = now


def main() -> None:
    """Works until somebody ends it."""
    memory = anonymous(int(sys.argv[1]))
    ones = b"y" * (STRIDE // PAGE)
    pauses = Pauses(sys.argv[2])
    signal.signal(signal.SIGUSR1, pauses.begin)
    gc.disable()
    print("working", flush=True)
    for start in itertools.cycle(range(0, len(memory) - STRIDE + 1, STRIDE)):
        memory[start : start + STRIDE : PAGE] = ones
        pauses.tick()
        time.sleep(TICK_SECONDS)


if __name__ == "__main__":
    main()
