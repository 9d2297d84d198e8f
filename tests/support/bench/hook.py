"""Choosing by our OOM handler, beside the kernel's own choice on the same tree, on the patched kernel."""

import json

from bench.scan import BUILD_SECONDS, MEASURE_SECONDS, PER_POD, PYTHON, REPEATS, SIZES, standing_tree
from lab import bpf
from lab.patched_kernel import patched_kernel
from lab.vm import VM, boot_vm

__all__ = ["main"]

COLUMNS = ("kernel", "handler")


def measure(vm: VM, size: int) -> dict[str, list[float]]:
    """Milliseconds of each choice on a tree of that many containers, by who chose."""
    with standing_tree(vm, size):
        command = ["python3", "-m", "bench.guest_hook", bpf.DIRECTORY, size // PER_POD, PER_POD, REPEATS[size]]
        printed = vm.run([str(part) for part in command], env=PYTHON, timeout=MEASURE_SECONDS + BUILD_SECONDS).stdout
    found: dict[str, list[float]] = json.loads(printed)
    return found


def main() -> None:
    """Prints a line for each size."""
    with boot_vm(memory_mib=3072, kernel=patched_kernel()) as vm:
        bpf.give(vm)
        found = {size: measure(vm, size) for size in SIZES}
    print("\nmilliseconds from being asked until somebody is chosen, at kubepods' limit (median and longest)")
    print(f"{'containers':>10}" + "".join(f"{title:>20}" for title in COLUMNS) + f"{'ratio':>8}")
    for size, times in found.items():
        middle = {who: sorted(times[who])[len(times[who]) // 2] for who in COLUMNS}
        cells = "".join(f"{middle[who]:>12.2f}{max(times[who]):>8.2f}" for who in COLUMNS)
        print(f"{size:>10}{cells}{middle['handler'] / middle['kernel']:>8.2f}")


if __name__ == "__main__":
    main()
