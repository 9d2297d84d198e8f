"""Finds out whether this machine can run guests with KVM, by running one; emulation (TCG) is the answer otherwise.

/dev/kvm says little: inside another virtual machine it may be there while every guest hangs. So a kernel without a disk
is booted, which takes two seconds and ends in its own panic about the missing root; the answer is kept in the cache.
"""

import os
import platform
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache as once
from pathlib import Path

from lab import cache, report, tools

__all__ = ["Accelerator", "accelerator", "qemu"]

PROBE_SECONDS = 20
"""Ten times what the emulator needs for the same boot."""

BOARD = ("-machine", "q35", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot")


@dataclass(frozen=True)
class Accelerator:
    """How guests run: options of QEMU, and of the guest's kernel."""

    qemu: tuple[str, ...]
    kernel: str = ""


KVM = Accelerator(("-accel", "kvm", "-cpu", "max"))

TCG = Accelerator(("-accel", "tcg,thread=multi", "-cpu", "max,erms=off,fsrm=off,avx=off,la57=off"), "norandmaps")
"""Without what emulation makes slow: `rep movsb` goes byte by byte, AVX by function calls, a TLB miss one table deeper.

What has been translated is found again by its virtual address, so addresses are not random: a shell command then takes
a quarter of the time, a Python that starts four fifths, new memory two thirds.
"""


def accelerator(kernel: Path) -> Accelerator:
    """The fastest one that boots `kernel`."""
    return KVM if _kvm_works(kernel) else TCG


def qemu(chosen: Accelerator) -> list[str]:
    """The beginning of a QEMU command line: the program and the board."""
    return [_program(), *BOARD, *chosen.qemu]


@once
def _kvm_works(kernel: Path) -> bool:
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False

    def probe(folder: Path) -> None:
        works = _boots_with_kvm(kernel)
        (folder / "works").write_text("yes" if works else "no")
        report.note("KVM works here." if works else "KVM is there but guests do not boot with it: emulating.")

    host = [platform.node(), platform.release(), _processor(), str(Path(_program()).stat().st_mtime_ns)]
    answer = cache.built("kvm", host, probe, says="does a guest boot with it?")
    return (answer / "works").read_text() == "yes"


def _boots_with_kvm(kernel: Path) -> bool:
    """Whether the kernel gets as far as looking for its root disk."""
    with tempfile.TemporaryDirectory() as folder:
        console = Path(folder) / "console"
        machine = [*qemu(KVM), "-m", "512", "-smp", "2", "-serial", f"file:{console}"]
        try:
            subprocess.run(
                [*machine, "-kernel", kernel, "-append", "console=ttyS0 panic=-1"],
                timeout=PROBE_SECONDS,
                capture_output=True,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
        return console.exists() and b"Unable to mount root fs" in console.read_bytes()


def _program() -> str:
    return tools.require("qemu-system-x86_64", package="qemu-system-x86")


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line for line in lines if line.startswith("model name")), "unknown")
