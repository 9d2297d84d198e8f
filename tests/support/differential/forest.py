"""A tree of real memcgs with processes in them, which stays as it is while many policies are tried on it."""

import os
import random
import signal
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from random_oom.stage import is_removed, wait_until
from random_oom.worker import CGROUPS, Worker

__all__ = ["Place", "Trees"]

MOST_CHILDREN, MOST_LEVELS = 4, 5
EMPTY = 0.15
"""The share of leaves in which nobody is."""
MOST_MEBIBYTES = 2


@dataclass(frozen=True, slots=True)
class Place:
    """One memcg."""

    path: str
    id: int
    is_leaf: bool


@dataclass
class Trees:
    """Makes trees below `top`, one at a time."""

    chance: random.Random
    top: str = "/different"
    places: list[Place] = field(default_factory=list)
    """Of the present tree, parents first; the first is `top` itself."""
    _workers: list[Worker] = field(default_factory=list)

    def plant(self, leaves: int) -> None:
        """A tree with about so many leaves, some with a process."""
        self._add(self.top, leaves, 0)
        self.wait_ready()

    def add(self, path: str, mebibytes: int | None, *, is_leaf: bool) -> Worker | None:
        """One memcg, below one that is there; a leaf with a process that holds so much, unless it is None."""
        folder = _folder(path)
        folder.mkdir()
        self.places.append(Place(path, folder.stat().st_ino, is_leaf))
        if not is_leaf:
            (folder / "cgroup.subtree_control").write_text("+memory")
        if not is_leaf or mebibytes is None:
            return None
        self._workers.append(Worker(path, mebibytes))
        return self._workers[-1]

    def wait_ready(self) -> None:
        """Returns once everybody holds what he should."""
        for worker in self._workers:
            worker.wait_ready()

    def clear(self) -> None:
        """Takes it down."""
        for worker in self._workers:
            os.kill(worker.pid, signal.SIGKILL)  # of those who have died already there is a zombie
        for worker in self._workers:
            os.waitpid(worker.pid, 0)
            worker.close()
        for place in reversed(self.places):
            wait_until(f"{place.path} is gone", partial(is_removed, _folder(place.path)))
        self._workers.clear()
        self.places.clear()

    def _add(self, path: str, leaves: int, level: int) -> None:
        is_leaf = level == MOST_LEVELS or (level > 0 and leaves <= 1)
        is_empty = is_leaf and self.chance.random() < EMPTY
        self.add(path, None if is_empty else self.chance.randint(0, MOST_MEBIBYTES), is_leaf=is_leaf)
        if is_leaf:
            return
        count = self.chance.randint(1, MOST_CHILDREN)
        for number in range(count):
            self._add(f"{path}/{'abcd'[number]}", leaves // count, level + 1)


def _folder(path: str) -> Path:
    return CGROUPS / path.lstrip("/")
