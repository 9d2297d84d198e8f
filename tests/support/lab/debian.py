"""Fetches Debian's packages and lays them out as a root file system, without installing them anywhere."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from lab import tools

__all__ = ["extract"]


def extract(
    suite: str, packages: Sequence[str], options: Sequence[str], target: Path, *, sources: Sequence[str] = ()
) -> None:
    """Unpacks the packages and what they need into the tar `target`; none of them is configured.

    `sources` are lines of sources.list in the place of the suite's own.

    Raises:
        RuntimeError: with mmdebstrap's last words.
    """
    mmdebstrap = tools.require("mmdebstrap", package="mmdebstrap")
    fixed = ["--quiet", "--variant=extract", "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr"]
    command: list[str | Path] = [
        mmdebstrap,
        *fixed,
        f"--include={','.join(packages)}",
        *options,
        suite,
        target,
        *sources,
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(f"mmdebstrap ended with {result.returncode}: {result.stderr.strip()[-2000:]}")
