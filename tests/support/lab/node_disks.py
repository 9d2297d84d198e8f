"""The disks that a node gets ready-made, instead of filling them at each boot: its kubelet and its images."""

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from lab import cache, disk_image
from lab.node_config import containerd_config
from lab.qemu import Access, Disk, Hardware
from lab.rootfs import root_filesystem
from lab.vm import VM, booted

__all__ = ["image_disk", "import_images", "kubelet_disk"]

IMPORT_SECONDS = 600
"""Generous: half a minute under emulation with nothing else on the host."""

IMAGE_DISK_MEBIBYTES = 4096
"""Sparse; the containers' writable layers are on it too."""


def kubelet_disk(binaries: Path) -> Path:
    """A disk with the kubelet of the folder `binaries`, from the cache or made now."""
    kubelet = (binaries / "kubelet").resolve()

    def make(folder: Path) -> None:
        with tempfile.TemporaryDirectory() as tree:
            shutil.copy(kubelet, Path(tree) / "kubelet")
            mebibytes = (kubelet.stat().st_size * 11 // 10 >> 20) + 1
            _make_disk(Path(tree), folder / "kubelet.ext4", mebibytes)

    version = [str(kubelet), str(kubelet.stat().st_size), str(kubelet.stat().st_mtime_ns)]
    return cache.built("kubelet", version, make) / "kubelet.ext4"


def image_disk(archives: Sequence[Path]) -> Path:
    """A disk for /var/lib/containerd with these OCI or docker archives, from the cache or made now.

    A machine of its own imports them: under emulation that takes longer than the rest of a node's start.
    """

    def make(folder: Path) -> None:
        with tempfile.TemporaryDirectory() as empty:
            _make_disk(Path(empty), folder / "containerd.ext4", IMAGE_DISK_MEBIBYTES)
        if archives:
            _fill(folder, archives)

    inputs: list[str | Path] = [root_filesystem().packages, containerd_config(), *archives]
    says = "containerd imports the images in a machine of its own, about a minute when emulated"
    return cache.built("image-disk", inputs, make, says=says) / "containerd.ext4"


def import_images(vm: VM, archive: str) -> None:
    """Has the containerd that runs in `vm` import an archive, a file or a disk there, for Kubernetes to see."""
    vm.run(["ctr", "--namespace=k8s.io", "images", "import", archive], timeout=IMPORT_SECONDS)


def _fill(folder: Path, archives: Sequence[Path]) -> None:
    """Imports the archives, each attached as a disk of its own: a tar file needs no file system around it."""
    disks = [Disk(archive, f"archive{number}") for number, archive in enumerate(archives)]
    target = Disk(folder / "containerd.ext4", "containerd", Access.WRITE)
    with booted(Hardware(memory_mib=2048, disks=[target, *disks]), folder) as vm:
        (folder / "containerd.toml").write_text(containerd_config())
        vm.push(folder / "containerd.toml", "/etc/containerd/config.toml")
        vm.mount("containerd", "/var/lib/containerd")
        containerd = vm.start(["containerd"])
        containerd.wait_for("containerd successfully booted", timeout=60)
        for disk in disks:
            import_images(vm, vm.disk(disk.name))
        containerd.signal(signal.SIGTERM)
        containerd.wait(timeout=60)
        vm.run(["umount", "/var/lib/containerd"])


def _make_disk(tree: Path, image: Path, mebibytes: int) -> None:
    subprocess.run(disk_image.make_command(tree, image, mebibytes), check=True, stdout=subprocess.DEVNULL)
