"""Makes the one root filesystem that every virtual machine of the lab boots: Debian, its stock kernel, containerd.

Two steps, both kept in the cache: mmdebstrap fetches the packages (a minute), and mke2fs turns them, with the lab's own
guest programs, into a disk image without mounting anything (seconds). Machines never write to the image; what they
change goes to a throw-away overlay, so starting one copies nothing.
"""

import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lab import cache, disk_image, tools

__all__ = ["RootFilesystem", "root_filesystem"]

SUITE = "forky"
"""The oldest Debian with a containerd (2.1) new enough for the kubelet and a kernel (7.2) that has the memcg kfuncs."""

PACKAGES = (
    "linux-image-cloud-amd64",  # NVMe, ext4 and the virtio console are built in: it boots this disk without an initrd
    "containerd",
    "runc",
    "containernetworking-plugins",
    "nftables",
    "iproute2",
    "kmod",
    "python3",
    "earlyoom",  # what the benchmark runs beside ours; systemd is there anyway, so both are 200 kB
    "systemd-oomd",
)

LEFT_OUT = (
    "/usr/share/doc/*",
    "/usr/share/man/*",
    "/usr/share/locale/*",
    "/usr/lib/x86_64-linux-gnu/gconv/*",
    "/etc/kernel/postinst.d/*",  # would build an initrd, which nobody reads
)

DISK_MEBIBYTES = 8192
"""Sparse: the image takes only what is in it, the overlay only what a machine writes."""

GUEST = Path(__file__).parent / "guest"


@dataclass(frozen=True)
class RootFilesystem:
    """What a machine boots: a raw ext4 `image`, not to be written, and the `kernel` that was installed in it.

    `packages` names the set of Debian packages, whatever guest programs of ours are beside them.
    """

    image: Path
    kernel: Path
    packages: str


def root_filesystem() -> RootFilesystem:
    """The root filesystem, from the cache or made now."""
    guest_files = sorted(path for path in GUEST.iterdir() if path.is_file())
    inputs = [_recipe(), str(DISK_MEBIBYTES), *(part for path in guest_files for part in (path.name, path))]
    says = "an ext4 image with the guest programs, seconds"
    folder = cache.built("rootfs", inputs, _make_image, says=says)
    return RootFilesystem(folder / "root.ext4", folder / "vmlinuz", cache.key_of([_recipe()]))


def _recipe() -> str:
    return "\n".join([SUITE, *PACKAGES, *LEFT_OUT])


def _packages() -> Path:
    says = f"Debian {SUITE} with kernel and containerd, one to four minutes"
    return cache.built("debian", [_recipe()], _bootstrap, says=says) / "root.tar"


def _bootstrap(folder: Path) -> None:
    """Fetches and installs the packages into `root.tar`; raises with mmdebstrap's own last lines."""
    mmdebstrap = tools.require("mmdebstrap", package="mmdebstrap")
    # Release files of a testing suite carry a short validity; an old snapshot of it is as good for us.
    options = ["--variant=minbase", '--aptopt=Acquire::Check-Valid-Until "false"', f"--include={','.join(PACKAGES)}"]
    options += [f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT]
    _run([mmdebstrap, *options, SUITE, str(folder / "root.tar")], log=folder / "mmdebstrap.log")


def _make_image(folder: Path) -> None:
    root = folder / "root"
    make_disk = shlex.join(disk_image.make_command(root, folder / "root.ext4", DISK_MEBIBYTES))
    script = f"""
        mkdir {root} && tar -xf {_packages()} -C {root} && chmod -R u+rX {root}
        mkdir -p {root}/lab/lab && cp -r {GUEST} {root}/lab/lab/ && chmod 755 {root}/lab/lab/guest/init.sh
        cp {root}/boot/vmlinuz-* {folder}/vmlinuz && chmod 644 {folder}/vmlinuz
        {make_disk}
    """
    _run([*_as_root(), "sh", "-euc", script], log=folder / "image.log")
    shutil.rmtree(root)


def _as_root() -> list[str]:
    """What makes files belong to root when we are not: fakeroot remembers owners until mke2fs reads them.

    It cannot open what its owner may not read; hence the chmod.
    """
    return [] if os.geteuid() == 0 else [tools.require("fakeroot", package="fakeroot"), "--"]


def _run(command: list[str], *, log: Path) -> None:
    with log.open("wb") as output:
        code = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False).returncode
    if code != 0:
        last_lines = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise RuntimeError(f"{Path(command[0]).name} ended with {code}; its last lines:\n{last_lines}")
