"""A virtual machine that a test can use: boot it, run commands in it, read its console."""

import signal
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from lab import report, workload
from lab.channel import Channel
from lab.guest_process import GuestLostError, GuestProcess
from lab.qemu import Access, Disk, Hardware, Machine
from lab.rootfs import root_filesystem

__all__ = ["PROJECT", "VM", "WORKLOAD", "boot_vm", "booted"]

CHECKOUT = Path(__file__).resolve().parents[3]

PROJECT = "/project"
"""Where the guest has its copy of the checkout's `SHARED` folders, as they were when it booted."""

SHARED = ("agent", "tests")

WORKLOAD = "/lab/workload"
"""Where the guest has what tests run as a workload."""

BOOT_SECONDS = 60
"""Generous: two seconds with nothing else on the machine."""

BOOT_ATTEMPTS = 3

LAST_WORDS_SECONDS = 10
"""For Python to say where it is, which it does at once."""

Result = subprocess.CompletedProcess[str]


class VM:
    """A booted machine; what it offers reads like subprocess."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._channel = Channel(machine.agent, self._lost)
        self._channel.wait_ready(BOOT_SECONDS)

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float = 60,
        env: Mapping[str, str] | None = None,
        cwd: str = "/",
        check: bool = True,
    ) -> Result:
        """Runs a command to its end; with `check`, another return code than 0 raises CommandFailedError.

        After `timeout` seconds its process group is killed and subprocess.TimeoutExpired is raised; a note says what it
        has written, and where it was if it is Python.
        """
        process = self.start(argv, env={"PYTHONFAULTHANDLER": "1"} | dict(env or {}), cwd=cwd)
        try:
            return process.wait(timeout, check=check)
        except subprocess.TimeoutExpired as error:
            error.add_note(_last_words(process))
            raise

    def start(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: str = "/") -> GuestProcess:
        """Starts a command and returns at once; Python finds the agent's packages."""
        return self._channel.start(argv, {"PYTHONPATH": f"{PROJECT}/agent"} | dict(env or {}), cwd)

    def python(self, program: str | Path, *arguments: str, timeout: float = 60, check: bool = True) -> Result:
        """Runs Python source, or a script of the host, in the guest."""
        if isinstance(program, str):
            return self.run(["python3", "-c", program, *arguments], timeout=timeout, check=check)
        self.push(program, f"/root/{program.name}")
        return self.run(["python3", f"/root/{program.name}", *arguments], timeout=timeout, check=check)

    def push(self, source: Path, target: str, *, timeout: float = 120) -> None:
        """Copies a file of the host into the guest."""
        self._channel.push(source, target, timeout)

    def read(self, path: str) -> str:
        """The content of a file of the guest."""
        return self.run(["cat", path]).stdout

    def write(self, path: str, text: str) -> None:
        """Writes a file of the guest by open and write, as cgroupfs wants it."""
        self.run(["sh", "-c", 'printf %s "$1" > "$2"', "write", text, path])

    def mount(self, disk: str, path: str, *options: str) -> None:
        """Mounts the disk that the hardware calls `disk`."""
        self.run(["mount", "--mkdir", *options, self.disk(disk), path])

    def disk(self, name: str) -> str:
        """The block device of the disk that the hardware calls `name`."""
        serial = self.run(["sh", "-c", f"modprobe -q virtio_blk; grep -lx '{name}' /sys/block/*/serial"]).stdout.strip()
        return f"/dev/{Path(serial).parent.name}"

    def console(self) -> str:
        """The lines that the kernel has said so far; without the one it is in the middle of, if any."""
        whole, newline, _ = self.machine.console().rpartition("\n")
        return whole + newline

    def push_folder(self, source: Path, target: str) -> None:
        """Copies a folder of the host into the guest, over what is there already; everything belongs to root."""
        with tempfile.NamedTemporaryFile(suffix=".tar") as archive:
            with tarfile.open(archive.name, "w") as tar:
                tar.add(source, target.strip("/"), filter=_without_caches)
            self.push(Path(archive.name), "/lab/incoming.tar")
        self.run(["tar", "-xf", "/lab/incoming.tar", "-C", "/"])

    def _lost(self) -> GuestLostError:
        last_lines = "\n".join(self.machine.console().splitlines()[-60:])
        return GuestLostError(f"The virtual machine is gone. The end of its console:\n{last_lines}")


@contextmanager
def booted(hardware: Hardware, folder: Path) -> Iterator[VM]:
    """A machine that has booted; `folder` keeps its console.

    One that hangs or panics is powered off and tried again: emulated machines do, once in some tens of boots.
    """
    for attempt in range(1, BOOT_ATTEMPTS + 1):
        with Machine(hardware, root_filesystem(), folder) as machine:
            try:
                vm = VM(machine)
            except (subprocess.TimeoutExpired, GuestLostError):
                if attempt == BOOT_ATTEMPTS:
                    raise
                report.note(f"a machine did not boot, or not in {BOOT_SECONDS} s, trying again")
                continue
            yield vm
            return


@contextmanager
def boot_vm(
    *,
    memory_mib: int = 1024,
    swap_mib: int = 0,
    cmdline: str = "",
    kernel: Path | None = None,
    folder: Path | None = None,
) -> Iterator[VM]:
    """A fresh machine with the checkout in it, gone at the end; `folder` keeps its console.

    `cmdline` is added to the kernel's command line: `psi=0`, `cgroup_disable=memory`, or our own `oompolicy.cgroup=v1`.
    `kernel` boots another one, without modules.
    """
    with tempfile.TemporaryDirectory(prefix="oompolicy-vm-") as scratch:
        disks = [_swap_disk(Path(scratch), swap_mib)] if swap_mib else []
        hardware = Hardware(memory_mib=memory_mib, kernel=kernel, kernel_options=cmdline, disks=disks)
        with booted(hardware, folder or Path(scratch)) as vm:
            for name in SHARED:
                vm.push_folder(CHECKOUT / name, f"{PROJECT}/{name}")
            vm.push(workload.program(), WORKLOAD)
            if swap_mib:
                vm.run(["mkswap", vm.disk("swap")])
                vm.run(["swapon", vm.disk("swap")])
            yield vm


def _swap_disk(folder: Path, swap_mib: int) -> Disk:
    path = folder / "swap.raw"
    with path.open("wb") as file:
        file.truncate(swap_mib << 20)
    return Disk(path, "swap", Access.WRITE)


def _last_words(process: GuestProcess) -> str:
    """Kills it; what it has written, and what Python's faulthandler says of it."""
    process.signal(signal.SIGABRT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(LAST_WORDS_SECONDS)
    process.kill()
    return f"{process.stdout[-2000:]}\n{process.stderr[-4000:]}"


def _without_caches(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    entry.uid = entry.gid = 0
    return None if Path(entry.name).name in {"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache"} else entry
