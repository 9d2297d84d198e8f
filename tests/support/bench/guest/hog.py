"""The workload that takes ever more, from SIGUSR1 on: `hog.py MEBIBYTES_PER_SECOND`, 0 for as fast as it can."""

import mmap
import signal
import sys
import time

MEBIBYTE = 1 << 20
PAGE = 4096
STEP_SECONDS = 0.05
FASTEST_STEP = 4 * MEBIBYTE


def main() -> None:
    """Waits for the signal, then grows until somebody ends it."""
    rate = int(sys.argv[1]) * MEBIBYTE
    size = int(rate * STEP_SECONDS) // PAGE * PAGE if rate else FASTEST_STEP
    ones = b"x" * (size // PAGE)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    print("waiting", flush=True)
    signal.sigwait({signal.SIGUSR1})
    held = []
    due = time.monotonic()
    while True:
        memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        memory[::PAGE] = ones
        held.append(memory)
        if rate:
            # One that was held up goes on at its rate: catching up would be another, faster hog.
            due = max(due + STEP_SECONDS, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    main()
