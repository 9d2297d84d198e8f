"""Starts one virtual machine with QEMU and ends it; nothing here knows what runs inside.

The disk is shared by all machines and never written: what a machine changes goes to an overlay that QEMU unlinks as it
opens it, or that is kept for the next boot. If our process dies, the machine dies with it.
"""

import os
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Self

from lab import tools
from lab.accelerator import accelerator, qemu
from lab.daemon import tied_to_us
from lab.rootfs import RootFilesystem

__all__ = ["Access", "Disk", "Hardware", "Machine"]

KERNEL_OPTIONS = "console=ttyS0 root=/dev/nvme0n1 rootwait rw panic=-1 init=/lab/lab/guest/init.sh"
"""The root disk is NVMe and not virtio because Debian's cloud kernel has that driver built in: it needs no initrd."""

AGENT_PORT = "oompolicy.agent"


class Access(Enum):
    """What a machine may do to the file behind a disk; the values are QEMU's."""

    READ = "readonly=on"
    WRITE = "cache=unsafe"
    OVERLAY = "snapshot=on,cache=unsafe"
    """It may write, and everybody else never sees it."""


@dataclass(frozen=True)
class Disk:
    """A further disk from a raw file; the guest finds it by `name` (its serial number, at most 20 characters)."""

    path: Path
    name: str
    access: Access = Access.READ


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """What a machine is made of."""

    memory_mib: int = 1024
    cpus: int = 2
    kernel: Path | None = None
    """Another one than that of the root file system; it has no modules."""
    kernel_options: str = ""
    """Added to the command line, last one wins."""
    disks: Sequence[Disk] = ()
    logs: Sequence[str] = ()
    """Names of virtio-serial ports; what the guest writes there is appended to FOLDER/NAME."""
    forwards: Mapping[int, int] = field(default_factory=dict)
    """Ports of the host's 127.0.0.1 and where they lead in the guest; no network card at all if empty."""
    keep_disks_in: Path | None = None
    """Where overlays stay, so that another machine of the same hardware finds what this one wrote."""


class Machine:
    """A running QEMU. Used as a context, it is killed at the end; `folder` keeps its console and logs."""

    def __init__(self, hardware: Hardware, root: RootFilesystem, folder: Path) -> None:
        self.folder = folder
        self.agent, theirs = socket.socketpair()
        command = [*tied_to_us(), *_command(hardware, root, folder, theirs.fileno())]
        with theirs, (folder / "qemu.log").open("wb") as log:
            # A session of its own: Ctrl-C in a terminal is for us, and we end the machine.
            self._process = subprocess.Popen(
                command,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id of QEMU."""
        return self._process.pid

    def running(self) -> bool:
        """Whether QEMU has not ended yet."""
        return self._process.poll() is None

    def console(self) -> str:
        """What kernel and init have written so far, and QEMU's own complaints."""
        parts = [self.folder / "console.log", self.folder / "qemu.log"]
        return "".join(part.read_text(errors="replace") for part in parts if part.exists())

    def stop(self) -> None:
        """Ends the machine as pulling its plug would."""
        self.agent.close()
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _command(hardware: Hardware, root: RootFilesystem, folder: Path, agent: int) -> list[str]:
    kernel = hardware.kernel or root.kernel
    chosen = accelerator(kernel)
    options = f"{KERNEL_OPTIONS} {chosen.kernel} {hardware.kernel_options}"
    return [
        *qemu(chosen),
        *("-m", str(hardware.memory_mib), "-smp", str(hardware.cpus)),
        *("-kernel", os.fspath(kernel), "-append", options),
        *("-serial", f"file:{folder / 'console.log'}"),
        *("-drive", _drive("root", root.image, Access.OVERLAY, hardware.keep_disks_in)),
        *("-device", "nvme,drive=root,serial=root"),
        *("-device", "virtio-serial"),
        *("-chardev", f"socket,id=agent,fd={agent}", "-device", f"virtserialport,chardev=agent,name={AGENT_PORT}"),
        *_log_ports(hardware.logs, folder),
        *_disks(hardware),
        *_network(hardware.forwards),
    ]


def _log_ports(names: Sequence[str], folder: Path) -> list[str]:
    """One port a log, each written to its file by QEMU itself: the logs need no reader on our side."""
    options = []
    for number, name in enumerate(names):
        options += ["-chardev", f"file,id=log{number},path={folder / name}"]
        options += ["-device", f"virtserialport,chardev=log{number},name={name}"]
    return options


def _disks(hardware: Hardware) -> list[str]:
    options = []
    for disk in hardware.disks:
        options += ["-drive", _drive(disk.name, disk.path, disk.access, hardware.keep_disks_in)]
        options += ["-device", f"virtio-blk,drive={disk.name},serial={disk.name}"]
    return options


def _drive(name: str, path: Path, access: Access, kept_in: Path | None) -> str:
    if access is not Access.OVERLAY or kept_in is None:
        return f"if=none,id={name},format=raw,file={path},{access.value}"
    overlay = kept_in / f"{name}.qcow2"
    if not overlay.exists():
        qemu_img = tools.require("qemu-img", package="qemu-utils")
        command = [qemu_img, "create", "-q", "-f", "qcow2", "-F", "raw", "-b", os.fspath(path), os.fspath(overlay)]
        subprocess.run(command, check=True)
    return f"if=none,id={name},format=qcow2,file={overlay},cache=unsafe"


def _network(forwards: Mapping[int, int]) -> list[str]:
    if not forwards:
        return []
    rules = "".join(f",hostfwd=tcp:127.0.0.1:{host}-:{guest}" for host, guest in forwards.items())
    return ["-netdev", f"user,id=net{rules}", "-device", "virtio-net,netdev=net"]
