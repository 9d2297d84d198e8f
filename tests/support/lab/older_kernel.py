"""Debian's kernel of a stable release, for what must also work, or say why not, where people have not upgraded yet."""

import subprocess
from pathlib import Path

from lab import cache, debian

__all__ = ["older_kernel"]

SUITE = "trixie"
PACKAGES = ("linux-image-cloud-amd64",)
"""6.12; what a machine needs to boot is built in."""
OPTIONS = tuple(f"--dpkgopt=path-exclude={path}" for path in ("/usr/share/*", "/usr/lib/modules/*", "/lib/modules/*"))


def older_kernel() -> Path:
    """The kernel, from the cache or fetched now; its modules are left out."""
    says = f"Debian {SUITE}'s kernel, a quarter of a minute"
    return cache.built("older-kernel", [SUITE, *PACKAGES, *OPTIONS], _fetch, says=says) / "vmlinuz"


def _fetch(folder: Path) -> None:
    debian.extract(SUITE, PACKAGES, OPTIONS, folder / "root.tar")
    tar = ("tar", "-xf", folder / "root.tar", "-C", folder)
    subprocess.run([*tar, "--wildcards", "--transform=s|.*/vmlinuz-.*|vmlinuz|", "./boot/vmlinuz-*"], check=True)
    (folder / "root.tar").unlink()
