"""Choosing and killing in one run of a BPF program, beside choosing in the kernel and killing as the guard does."""

import json
from pathlib import Path

from lab import bpf
from lab.vm import PROJECT, VM, boot_vm

__all__ = ["main"]

PROGRAM = Path(__file__).parent / "bpf/choose_and_kill.bpf.c"
BOTH = "/opt/choose-and-kill"
REPEATS = 15
SECONDS = 600
PATHS = {"PYTHONPATH": f"{PROJECT}/agent:{PROJECT}/tests/support"}
TITLES = {"guard": "the guard's way", "program": "in one run of the program"}


def give(vm: VM) -> None:
    """Puts both programs into the machine; the loader finds each by the name of the one that the guard has."""
    bpf.give(vm)
    built = bpf.programs(PROGRAM)
    vm.push(built / "choose_and_kill.bpf.o", f"{BOTH}/oompolicy.bpf.o")
    vm.push(built / "oompolicy-bpf-load", f"{BOTH}/oompolicy-bpf-load")


def main() -> None:
    """Prints a line for each way."""
    with boot_vm() as vm:
        give(vm)
        command = ["python3", "-m", "bench.guest_killing", str(REPEATS), bpf.DIRECTORY, BOTH]
        found = json.loads(vm.run(command, env=PATHS, timeout=SECONDS).stdout)
    print(f"\nmilliseconds for a victim of 100 MiB (medians of {REPEATS}), and how many storms of forks survived")
    print(f"{'':>26}{'call':>8}{'gone':>8}{'free':>8}{'survived':>10}")
    for way, (call, gone, free) in found["milliseconds"].items():
        survived = f"{found['stormsSurvived'][way]}/{REPEATS}"
        print(f"{TITLES[way]:>26}{call:>8.1f}{gone:>8.1f}{free:>8.1f}{survived:>10}")


if __name__ == "__main__":
    main()
