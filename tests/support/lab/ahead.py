"""Makes what later tests run on, at idle priority, while tests run that mostly wait: images, disks, the patched kernel.

`python3 -m lab.ahead` makes it all.
"""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from lab import images, report
from lab.cache import cache_root
from lab.node_disks import image_disk
from lab.patched_kernel import patched_kernel
from lab.tools import require

__all__ = ["Ahead"]

PATIENCE_SECONDS = 900
"""A kernel that is not ready by then is given up, and its tests are skipped: a whole run has an end, too."""


class Ahead:
    """The process that does it, from entry on; exit waits for it, unless by an error.

    What it says is in `ahead.log` in the cache. Images and disks that it could not make are made by the first test that
    needs them, which fails as it did.
    """

    def __enter__(self) -> Self:
        self._log = cache_root() / "ahead.log"
        idle = [require("chrt", package="util-linux"), "--idle", "0"]
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                [*idle, sys.executable, "-m", "lab.ahead"],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
                start_new_session=True,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None and not error:
            report.note(f"What the machines run on is still being made, see {self._log}")
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(PATIENCE_SECONDS)
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


if __name__ == "__main__":
    image_disk([images.bundle()])
    patched_kernel()
