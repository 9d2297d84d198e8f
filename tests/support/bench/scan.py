"""What it costs to list, read and choose among 100, 1,000 and 10,000 containers, on a real kernel.

Beside it a bare walk of the same directories in the same run: only the ratio says something, for the machine is
emulated where there is no KVM. `print_scan(vm)` prints the table.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from lab import bpf
from lab.vm import PROJECT, VM, boot_vm

__all__ = ["main", "print_scan", "standing_tree"]

SIZES = (100, 1_000, 10_000)
PER_POD = 2
MOST_PROCESSES = 1_000
"""A memcg reads the same with and without processes; so only the first to die need have any."""
REPEATS = {100: 9, 1_000: 5, 10_000: 3}
PYTHON = {"PYTHONPATH": f"{PROJECT}/agent:{PROJECT}/tests/support"}
BUILD_SECONDS, MEASURE_SECONDS = 300, 600

COLUMNS = (
    ("walk", "os.walk"),
    ("list", "list all"),
    ("relist", "list again"),
    ("read", "read, opening"),
    ("readHeld", "read, held open"),
    ("sort", "sort"),
    ("assist", "KernelAssist"),
)
WHOLE = (
    ("readAllWhole", "read everybody"),
    ("readFirstWhole", "read the first class"),
    ("chooseOpeningWhole", "choose, opening"),
    ("chooseWhole", "choose, held open"),
    ("assistRunWhole", "KernelAssist, the run"),
    ("assistFlushWhole", "of it, the counters"),
    ("assistChooseWhole", "KernelAssist, choose"),
    ("explainWhole", "explain, after the kill"),
    ("assistLoadWhole", "load, once"),
    ("assistTellWhole", "tell the map, once"),
)
SHORT = (
    ("assistRunWhole", "the run, calm"),
    ("assistRunShortWhole", "the run"),
    ("assistRunShortMost", "the run, at most"),
    ("assistChooseShortWhole", "choose"),
    ("chooseShortWhole", "choose, by cgroupfs"),
)


@contextmanager
def standing_tree(vm: VM, size: int) -> Iterator[None]:
    """So many containers below kubepods, while the context lasts."""
    tree = [f"{PROJECT}/tests/support/pod_tree.py", "--containers", str(PER_POD)]
    pods = size // PER_POD
    populated = min(size, MOST_PROCESSES)
    sleeping = vm.start(["python3", *tree, "--pods", str(pods), "--populated", str(populated)])
    try:
        sleeping.wait_for("ready", BUILD_SECONDS)
        yield
    finally:
        sleeping.kill()
        sleeping.wait(BUILD_SECONDS)
        vm.run(["python3", *tree, "--remove"], timeout=BUILD_SECONDS)


def scan(vm: VM, size: int) -> dict[str, float]:
    """Measures on a tree of that many containers."""
    with standing_tree(vm, size):
        script = f"{PROJECT}/tests/support/bench/guest_scan.py"
        command = ["python3", script, size // PER_POD, PER_POD, REPEATS.get(size, 3)]
        printed = vm.run([str(part) for part in command], env=PYTHON, timeout=MEASURE_SECONDS).stdout
    found: dict[str, float] = json.loads(printed)
    return found


def print_scan(vm: VM, sizes: tuple[int, ...] = SIZES) -> None:
    """Prints one line for each size and table."""
    found = {size: scan(vm, size) for size in sizes}
    print("\nmicroseconds per container (medians)")
    print(f"{'containers':>10}" + "".join(f"{title:>17}" for _, title in COLUMNS))
    for size, numbers in found.items():
        print(f"{size:>10}" + "".join(f"{numbers[key]:>17.1f}" for key, _ in COLUMNS))
    print("\nmilliseconds for the whole (medians); a twentieth of the pods is in the first class")
    _print_whole(found, WHOLE)
    print("\nKernelAssist with 12 MiB available, in milliseconds (medians)")
    _print_whole(found, SHORT)


def _print_whole(found: dict[int, dict[str, float]], columns: tuple[tuple[str, str], ...]) -> None:
    print(f"{'containers':>10}" + "".join(f"{title:>25}" for _, title in columns))
    for size, numbers in found.items():
        print(f"{size:>10}" + "".join(f"{numbers[key] / 1000:>25.2f}" for key, _ in columns))


def main() -> None:
    """The table from a machine of its own."""
    with boot_vm(memory_mib=3072) as vm:
        bpf.give(vm)
        print_scan(vm)


if __name__ == "__main__":
    main()
