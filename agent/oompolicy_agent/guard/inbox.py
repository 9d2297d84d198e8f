"""Keeps the targets in force: the last file that was good, whatever has happened to the file since."""

import errno
import os

from oompolicy_agent.guard.files import read_hostile
from oompolicy_agent.guard.log import Log
from oompolicy_agent.guard.targets import Targets
from oompolicy_agent.guard.targets_json import parse

__all__ = ["Inbox"]

LIMIT = 8 << 20
"""Bytes: 250 pods need a fiftieth of it."""

Mark = tuple[int, int, int, int]


class Inbox:
    """Watches one targets file. `targets` are those in force; `problems` says what is wrong with the file now."""

    def __init__(self, path: str, log: Log) -> None:
        self.targets = Targets()
        self.problems: tuple[str, ...] = ()
        self.path = path
        self._log = log
        self._mark: Mark | None = None

    def refresh(self) -> bool:
        """Reads the file if it is another than last time; returns whether the targets in force have changed."""
        mark = self._mark_of_file()
        if mark == self._mark:
            return False
        self._mark = mark
        if mark is None:  # sync has not written yet, or somebody took the file away: what was in force stays
            return False
        try:
            targets = parse(read_hostile(self.path, LIMIT))
        except (OSError, ValueError) as error:
            self._refuse(str(error))
            return False
        self._accept(targets)
        return True

    def _mark_of_file(self) -> Mark | None:
        try:
            found = os.lstat(self.path)
        except OSError as error:
            if error.errno != errno.ENOENT:
                self._refuse(str(error))
            return None
        return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size

    def _accept(self, targets: Targets) -> None:
        policy, before, self.targets = targets.policy, self.targets.policy, targets
        if policy is None and before:
            self._log.info("No policy acts any more", policy=before.name)
        elif policy and policy != before:  # not for every pod that comes and goes
            self._log.info(
                "Applied policy",
                policy=policy.name,
                generation=policy.generation,
                mode=policy.mode,
                pods=len(targets.pods),
            )
        for problem in set(targets.problems) - set(self.problems):
            self._log.warning("Did not understand a target", path=self.path, err=problem)
        self.problems = targets.problems

    def _refuse(self, problem: str) -> None:
        message = f"{self.path} was refused, the last good targets stay in force: {problem}"
        if self.problems != (message,):
            self.problems = (message,)
            self._log.error("Refused targets, the last good ones stay in force", path=self.path, err=problem)
