"""What the tests run as a workload: it holds memory, takes ever more, or reclaims for ever, and says so.

`hold --mebibytes N [--touch]`, `grow [--mebibytes-per-second N] [--up-to N]`, and with more file than memory
`read --file PATH --mebibytes N` or `map --file PATH --mebibytes N`.
"""

import argparse
import itertools
import mmap
import os
import time

MEBIBYTE = 1 << 20
PAGE = 4096
STEPS_PER_SECOND = 50
LARGEST_STEP = 16 * MEBIBYTE
"""Of a workload that grows as fast as it can: so much is asked for at once."""
PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
POPULATED = PRIVATE | getattr(mmap, "MAP_POPULATE", 0)
CHUNK = 256 * 1024


def touch(memory: mmap.mmap) -> None:
    """Writes one byte of every page."""
    memory[::PAGE] = b"x" * (len(memory) // PAGE)


def hold(mebibytes: int, touching: bool) -> None:
    """Holds the memory for ever; with `touching` it stays hot."""
    memory = mmap.mmap(-1, mebibytes * MEBIBYTE, flags=PRIVATE)
    touch(memory)
    print(f"holding {mebibytes} MiB")
    for _ in itertools.count():
        time.sleep(1)
        if touching:
            touch(memory)


def grow(mebibytes_per_second: int, most: int) -> None:
    """Takes memory at that rate (0: as fast as it can) until it has `most` MiB (0: for ever), then holds it.

    The kernel is asked for whole steps, which is as fast as it gets.
    """
    held, size, start = [], 0, time.monotonic()
    step = mebibytes_per_second * MEBIBYTE // STEPS_PER_SECOND // PAGE * PAGE or LARGEST_STEP
    says_at = 0.0
    while not most or size < most * MEBIBYTE:
        held.append(mmap.mmap(-1, step, flags=POPULATED))
        touch(held[-1])  # pages of zeros would go to swap without being written
        size += step
        passed = time.monotonic() - start
        if not mebibytes_per_second or passed >= says_at:
            print(f"holding {size // MEBIBYTE} MiB after {passed:.2f} s")
            says_at = passed + 0.1
        if mebibytes_per_second:
            time.sleep(max(0.0, size / MEBIBYTE / mebibytes_per_second - passed))
    print(f"holding {size // MEBIBYTE} MiB, no more")
    while True:
        time.sleep(1)


def written(path: str, mebibytes: int) -> int:
    """A descriptor of a file of that size on the disk, written now unless it is there already."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    chunk = os.urandom(CHUNK)
    while os.fstat(descriptor).st_size < mebibytes * MEBIBYTE:
        os.pwrite(descriptor, chunk, os.fstat(descriptor).st_size)
    os.fsync(descriptor)
    return descriptor


def read(path: str, mebibytes: int) -> None:
    """Reads the file over and over."""
    descriptor, buffer = written(path, mebibytes), bytearray(CHUNK)
    for number in itertools.count(1):
        for offset in range(0, mebibytes * MEBIBYTE, CHUNK):
            os.preadv(descriptor, [buffer], offset)
        print(f"round {number}")


def map_file(path: str, mebibytes: int) -> None:
    """Looks at every page of the mapped file over and over."""
    memory = mmap.mmap(written(path, mebibytes), mebibytes * MEBIBYTE, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ)
    for number in itertools.count(1):
        for offset in range(0, len(memory), CHUNK):
            memory[offset : offset + CHUNK : PAGE]
        print(f"round {number}")


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True, dest="command")
    holder = commands.add_parser("hold")
    holder.add_argument("--mebibytes", type=int, required=True)
    holder.add_argument("--touch", action="store_true")
    grower = commands.add_parser("grow")
    grower.add_argument("--mebibytes-per-second", type=int, default=0)
    grower.add_argument("--up-to", type=int, default=0)
    for name in ("read", "map"):
        reader = commands.add_parser(name)
        reader.add_argument("--file", required=True)
        reader.add_argument("--mebibytes", type=int, required=True)
    return parser.parse_args()


def main() -> None:
    """Does as the command line says."""
    wanted = options()
    match wanted.command:
        case "hold":
            hold(wanted.mebibytes, wanted.touch)
        case "grow":
            grow(wanted.mebibytes_per_second, wanted.up_to)
        case "read":
            read(wanted.file, wanted.mebibytes)
        case "map":
            map_file(wanted.file, wanted.mebibytes)


if __name__ == "__main__":
    main()
