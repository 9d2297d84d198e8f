"""Writes a folder into an ext4 disk image without mounting anything."""

from pathlib import Path

from lab import tools

__all__ = ["make_command"]


def make_command(tree: Path, image: Path, mebibytes: int) -> list[str]:
    """The command that makes `image`, sparse and of that size, from what is in `tree`.

    Without a journal: nobody recovers these disks after a crash.
    """
    mke2fs = tools.require("mke2fs", package="e2fsprogs")
    return [mke2fs, "-q", "-t", "ext4", "-O", "^has_journal", "-d", str(tree), str(image), f"{mebibytes}M"]
