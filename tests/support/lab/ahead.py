"""Makes what later tests run on, at idle priority, while tests run that mostly wait: images, disks, the patched kernel.

`python3 -m lab.ahead` makes it all; a run of every test starts that and stops it before its first virtual machine,
because nothing may run beside what is timed.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

from lab import images
from lab.cache import cache_root
from lab.node_disks import image_disk
from lab.patched_kernel import patched_kernel
from lab.tools import require

__all__ = ["Ahead"]


class Ahead:
    """The process that does it; what it says is in `ahead.log` in the cache."""

    def __init__(self) -> None:
        idle = [require("chrt", package="util-linux"), "--idle", "0"]
        with (cache_root() / "ahead.log").open("wb") as output:
            self._process = subprocess.Popen(
                [*idle, sys.executable, "-m", "lab.ahead"],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
                start_new_session=True,
            )

    def stop(self, *, waiting_for_disks: bool = True) -> None:
        """Ends it, once what every node needs is there; a kernel that is not ready by then is given up."""
        if waiting_for_disks:
            _make_disks()
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def _make_disks() -> None:
    image_disk([images.bundle()])


if __name__ == "__main__":
    _make_disks()
    patched_kernel()
