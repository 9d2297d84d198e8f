"""Removes what nobody uses any more from the cache: each change of the sources leaves half a gigabyte behind."""

import os
import shutil
import time
from pathlib import Path

__all__ = ["sweep_beside"]

IDLE_SECONDS = 2 * 3600
"""Long enough for whoever got the path of an old version to have opened it; a file that is open may be removed."""


def sweep_beside(used: Path) -> Path:
    """Marks the cache folder `used` as in use and removes its other versions that were not for `IDLE_SECONDS`."""
    os.utime(used)
    name, _, _ = used.name.rpartition("-")
    for other in used.parent.glob(f"{name}-*"):
        if other.is_dir() and other != used and time.time() - other.stat().st_mtime > IDLE_SECONDS:
            shutil.rmtree(other, ignore_errors=True)
    return used
