"""Holds memory (`hold --mebibytes N [--touch]`), or takes ever more (`grow --mebibytes-per-second N`), and says so."""

import argparse
import itertools
import mmap
import time

MEBIBYTE = 1 << 20
PAGE = 4096
STEPS_PER_SECOND = 10


def taken(mebibytes: int) -> mmap.mmap:
    """Anonymous memory of that size, every page of it written."""
    memory = mmap.mmap(-1, mebibytes * MEBIBYTE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    touch(memory)
    return memory


def touch(memory: mmap.mmap) -> None:
    """Writes one byte of every page."""
    memory[::PAGE] = b"x" * (len(memory) // PAGE)


def hold(mebibytes: int, touching: bool) -> None:
    """Holds the memory for ever; with `touching` it stays hot."""
    memory = taken(mebibytes)
    print(f"holding {mebibytes} MiB")
    for _ in itertools.count():
        time.sleep(1)
        if touching:
            touch(memory)


def grow(mebibytes_per_second: int) -> None:
    """Takes memory at that rate until somebody ends it."""
    held = []
    start = time.monotonic()
    for step in itertools.count(1):
        held.append(taken(mebibytes_per_second // STEPS_PER_SECOND))
        if step % STEPS_PER_SECOND == 0:
            print(f"holding {len(held) * mebibytes_per_second // STEPS_PER_SECOND} MiB")
        time.sleep(max(0.0, start + step / STEPS_PER_SECOND - time.monotonic()))


def main() -> None:
    """Parses the command line and does as it says."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True, dest="command")
    holder = commands.add_parser("hold")
    holder.add_argument("--mebibytes", type=int, required=True)
    holder.add_argument("--touch", action="store_true")
    grower = commands.add_parser("grow")
    grower.add_argument("--mebibytes-per-second", type=int, required=True)
    options = parser.parse_args()
    if options.command == "hold":
        hold(options.mebibytes, options.touch)
    else:
        grow(options.mebibytes_per_second)


if __name__ == "__main__":
    main()
