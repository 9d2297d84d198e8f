"""One event inside a test machine: makes a tree of pods, runs its domain out of memory, sees who dies, cleans up."""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from random_oom.host import LARGEST_SHARE, available, status, write_targets
from random_oom.worker import CGROUPS, MEBIBYTE, Worker

__all__ = ["Stage", "is_removed", "wait_until"]

KUBEPODS = CGROUPS / "kubepods"
PAGE = 4096
SECONDS = 30
"""For any one wait: a hundred times what it takes."""
QUIET_SECONDS = 0.02
OVERHEAD_MIB = 3
"""Of a process, wherever it is charged."""
Event = dict[str, Any]


def wait_until(what: str, is_so: Callable[[], object]) -> None:
    """Asks every few milliseconds; raises TimeoutError."""
    end = time.monotonic() + SECONDS
    while not is_so():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {SECONDS} s: {what}")
        time.sleep(0.003)


class Stage:
    """The event; `deaths` are memcgs of containers with the seconds since the growth began."""

    def __init__(self, event: Event, ballast: Worker) -> None:
        self.deaths: list[tuple[str, float]] = []
        self._event = event
        self._ballast = ballast
        self._workers: dict[int, Worker] = {}
        self._began = 0.0

    def build(self) -> None:
        """Makes the tree, tells the guard, and has the memory held."""
        for path in self._event["memcgs"]:
            (CGROUPS / path.lstrip("/")).mkdir()
            if path in self._event["pods"]:
                (CGROUPS / path.lstrip("/") / "cgroup.subtree_control").write_text("+memory +pids")
        for path, content in self._event["bundles"].items():
            Path(path).parent.mkdir(parents=True)
            Path(path).write_text(content)
        write_targets(self._event["targets"])
        self._make_room()
        for memcg, mebibytes, oom_score_adj in self._event["workers"]:
            worker = Worker(memcg, mebibytes, oom_score_adj)
            self._workers[worker.pid] = worker
        for worker in self._workers.values():
            worker.wait_ready()

    def tighten(self) -> int:
        """Brings the domain close to its threshold, and returns that; the node too, or far enough from its own."""
        is_node, slack = self._event["domain"] == "/", int(self._event["slackBytes"])
        threshold = int(status()["thresholdBytes"])
        wanted = threshold + (slack if is_node else int(self._event["nodeSlackBytes"]))
        self._ballast.hold(max(0, self._ballast.size + (available() - wanted) // MEBIBYTE))
        if is_node:
            return threshold
        current = int((KUBEPODS / "memory.current").read_text())
        limit = (current + slack) * LARGEST_SHARE // (LARGEST_SHARE - 1) // PAGE * PAGE
        (KUBEPODS / "memory.max").write_text(str(limit))
        return limit // LARGEST_SHARE

    def run_out(self, bytes_per_second: int) -> None:
        """Has one worker take ever more until the first death, and then no more."""
        grower = next(worker for worker in self._workers.values() if worker.memcg == self._event["grower"])
        self._began = time.monotonic()
        with contextlib.suppress(BrokenPipeError):  # it was among the first that died while memory became short
            grower.grow(bytes_per_second)
        wait_until("somebody dies", self._somebody_died)
        if grower.pid in self._workers:
            os.kill(grower.pid, signal.SIGSTOP)

    def settle(self, is_recorded: Callable[[], object]) -> None:
        """Returns once the guard has recorded it and nobody else dies."""
        wait_until("the guard has a record", is_recorded)
        while self._somebody_died():
            time.sleep(QUIET_SECONDS)

    def clear(self) -> None:
        """Ends whoever is left, and takes the tree down."""
        (KUBEPODS / "memory.max").write_text("max")
        for pid in self._workers:
            os.kill(pid, signal.SIGKILL)
        for pid, worker in self._workers.items():
            os.waitpid(pid, 0)
            worker.close()
        self._workers.clear()
        for path in reversed(self._event["memcgs"]):
            wait_until(f"{path} is empty", partial(is_removed, CGROUPS / path.lstrip("/")))
        for path in self._event["bundles"]:
            Path(path).unlink(missing_ok=True)
            Path(path).parent.rmdir()

    def _make_room(self) -> None:
        """Has the ballast give back what the workers will need, or the node were short before all are there."""
        workers = self._event["workers"]
        needed = sum(mebibytes for _, mebibytes, _ in workers) + OVERHEAD_MIB * len(workers)
        wanted = int(status()["thresholdBytes"]) + int(self._event["nodeSlackBytes"]) + needed * MEBIBYTE
        if (missing := (wanted - available()) // MEBIBYTE) > 0:
            self._ballast.hold(max(0, self._ballast.size - missing))

    def _somebody_died(self) -> bool:
        """Whether anybody has since the last call."""
        count = len(self.deaths)
        for pid in list(self._workers):
            if os.waitpid(pid, os.WNOHANG)[0]:
                worker = self._workers.pop(pid)
                worker.close()
                self.deaths.append((worker.memcg, round(time.monotonic() - self._began, 3)))
        return len(self.deaths) > count


def is_removed(memcg: Path) -> bool:
    """Removes a memcg; whether it has gone. That of somebody who has just died is busy for a moment."""
    try:
        memcg.rmdir()
    except OSError:
        return not memcg.exists()
    return True
