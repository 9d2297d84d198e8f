"""One shortage that a single death ends: three memcgs with a process each, of which one takes more than there is."""

import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from oompolicy_agent.guard.assist_abi import Flag, Target
from random_oom.host import available, kernel_kills
from random_oom.stage import is_removed, wait_until
from random_oom.worker import CGROUPS, MEBIBYTE, Worker

__all__ = ["OUTSIDE", "PRIORITIES", "TOP", "Arena", "Outcome", "folder", "targets"]

TOP = CGROUPS / "arena"
SIZES = {"small": 30, "big": 40, "hog": 10}
"""MiB that each holds at first, with a few more for the process itself."""
LIMIT, HOG = 100, 45
"""MiB of all together, and what the hog takes in the end: the death of any other is enough."""
NODE_SIZES = {"small": 100, "big": 120, "hog": 10}
BEYOND, STEP = 40, 20
"""MiB that the hog takes beyond what the node seems to have, and then more, until somebody dies."""
OUTSIDE = CGROUPS / "outside"
PRIORITIES: Mapping[str, int] = {"small": 1, "big": 2, "hog": 3}


@dataclass(frozen=True, slots=True)
class Outcome:
    """Who died of one shortage, and how many processes the OOM killer has killed for it."""

    died: list[str]
    kills: int


class Arena:
    """Built anew for each shortage."""

    def __init__(self, *, of_the_node: bool) -> None:
        self._of_the_node = of_the_node
        self._workers: dict[str, Worker] = {}

    def build(self) -> None:
        """Makes the memcgs, and has everybody hold what he should."""
        (CGROUPS / "cgroup.subtree_control").write_text("+memory")
        TOP.mkdir()
        if not self._of_the_node:
            (TOP / "memory.max").write_text(f"{LIMIT}M")
        (TOP / "cgroup.subtree_control").write_text("+memory")
        OUTSIDE.mkdir(exist_ok=True)
        for name, size in (NODE_SIZES if self._of_the_node else SIZES).items():
            folder(name).mkdir()
            self._workers[name] = Worker(f"/arena/{name}", size)
        self._workers["outside"] = Worker("/outside", 1)
        for worker in self._workers.values():
            worker.wait_ready()

    def run_out(self) -> Outcome:
        """Has the hog take too much; returns once it has it, or has died, and nobody dies any more."""
        return self.outcome_of(self._exhaust)

    def outcome_of(self, cause: Callable[[], object]) -> Outcome:
        """Whoever dies of something that kills at once."""
        before = kernel_kills()
        cause()
        wait_until("somebody has died", self._died)
        return Outcome(self._died(), kernel_kills() - before)

    def clear(self) -> None:
        """Ends whoever is left, and takes the memcgs away."""
        for worker in self._workers.values():
            if worker.pid:
                os.kill(worker.pid, signal.SIGKILL)
                os.waitpid(worker.pid, 0)
            worker.close()
        for path in (*(folder(name) for name in SIZES), TOP):
            wait_until(f"{path} is gone", partial(is_removed, path))

    def _exhaust(self) -> None:
        size = available() // MEBIBYTE + BEYOND if self._of_the_node else HOG
        while not self._died_when_the_hog_holds(size):
            size += STEP  # what is available is an estimate

    def _died_when_the_hog_holds(self, size: int) -> list[str]:
        try:
            self._workers["hog"].hold(size)
        except (ChildProcessError, BrokenPipeError):
            wait_until("the hog has ended", partial(self._is_dead, "hog"))
        return self._died()

    def _died(self) -> list[str]:
        return [name for name in self._workers if self._is_dead(name)]

    def _is_dead(self, name: str) -> bool:
        worker = self._workers[name]
        if worker.pid and os.waitpid(worker.pid, os.WNOHANG)[0]:
            worker.pid = 0
        return not worker.pid


def folder(name: str) -> Path:
    """Of one of the three."""
    return TOP / name


def targets(priorities: Mapping[str, int] = PRIORITIES) -> dict[int, Target]:
    """What our policy is told of the three: `small` dies first."""
    return {folder(name).stat().st_ino: Target(level, Flag.HAS_PRIORITY) for name, level in priorities.items()}
