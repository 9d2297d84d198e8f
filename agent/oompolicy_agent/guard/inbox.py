"""Keeps the targets in force: the last file that was good, whatever has happened to the file since.

A guard that starts and finds the file damaged goes on with the copy of the last good one. Where there is no file at all
it does not: then nobody wants anything of it, as after an uninstallation.
"""

import errno
import os
import time

from oompolicy_agent.guard.census import Census
from oompolicy_agent.guard.files import read_hostile
from oompolicy_agent.guard.last_good import LastGood
from oompolicy_agent.guard.log import Log
from oompolicy_agent.guard.settings import Limits
from oompolicy_agent.guard.targets import Targets
from oompolicy_agent.guard.targets_json import parse

__all__ = ["Inbox"]

LIMIT = 8 << 20
"""Bytes: 250 pods need a fiftieth of it."""
MOST_WARNINGS = 16
"""About fields that are not known, while the guard lives: two senders in turn must not fill the log."""
_PASSING = (errno.EIO, errno.ENOMEM, errno.EMFILE, errno.ENFILE)
"""Errors that say nothing about the file; it is read again at the next look."""
_DEFAULTS = Limits()

Mark = tuple[int, int, int, int]


class Inbox:
    """Watches one targets file. `targets` are those in force, with all that is known of who is on the node."""

    def __init__(self, path: str, log: Log, *, limits: Limits = _DEFAULTS, last_good: LastGood | None = None) -> None:
        self.targets = self._read = Targets()
        self.path = path
        self._log = log
        self._limits = limits
        self._last_good = last_good
        self._problems: tuple[str, ...] = ()
        self._mark: Mark | None = None
        self._is_first_look = True
        self._has_targets = False
        self._warned: set[tuple[str, ...]] = set()

    @property
    def directory(self) -> str:
        """Where the file is put in place by rename; whoever watches this directory need not ask for the file."""
        return os.path.dirname(self.path) or "."  # noqa: PTH120 - pathlib is not worth its memory in the guard

    @property
    def has_targets(self) -> bool:
        """Whether there has been a file that was good: only then does no policy mean that nobody wants one."""
        return self._has_targets

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with the file now, and with the copy of it."""
        copy = self._last_good and self._last_good.problem
        return (*self._problems, *((copy,) if copy else ()))

    def refresh(self) -> bool:
        """Reads the file if it is another than last time; returns whether the targets in force have changed."""
        if self._last_good:
            self._last_good.flush()
        is_first, self._is_first_look = self._is_first_look, False
        try:
            document = self._news()
            if document is None:
                self._say_missing(is_first=is_first)
                return False
            targets = parse(document, self._limits)
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno in _PASSING:
                self._mark = None
            return self._refuse(_told(error), self._kept() if is_first else None)
        self._accept(targets)
        if self._last_good:
            self._last_good.save(document)
        return True

    def identify(self, census: Census) -> None:
        """Has the targets also speak of containers that are on the node before the API server knows their ids."""
        self.targets = census.identified(self._read, time.monotonic())

    def _news(self) -> bytes | None:
        """The file if it is another than last time. None also where there is none: what was in force stays."""
        before, self._mark = self._mark, None
        try:
            found = os.lstat(self.path)
            self._mark = found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size
            return None if self._mark == before else read_hostile(self.path, LIMIT)
        except FileNotFoundError:
            return None

    def _say_missing(self, *, is_first: bool) -> None:
        if is_first and self._mark is None:
            self._log.info("No targets yet", path=self.path)

    def _accept(self, targets: Targets) -> None:
        for problem in targets.problems:
            if problem not in self._problems:
                self._log.warning("Did not understand a target", path=self.path, err=problem)
        self._problems = targets.problems
        self._put_in_force(targets)

    def _put_in_force(self, targets: Targets) -> None:
        self._has_targets = True
        policy, before, self.targets = targets.policy, self._read.policy, targets
        self._read = targets
        if policy is None and before:
            self._log.info("No policy acts any more", policy=before.name)
        elif policy and policy != before:  # not for every pod that comes and goes
            self._log.info(
                "Applied policy",
                policy=policy.name,
                generation=policy.generation,
                mode=policy.mode,
                pods=len(targets.pods),
                hostCgroups=len(targets.host_cgroups),
            )
        self._warn_of(targets.unknown_fields)

    def _warn_of(self, unknown: tuple[str, ...]) -> None:
        """Names the fields that are ignored, once for each set of them."""
        if unknown and unknown not in self._warned and len(self._warned) < MOST_WARNINGS:
            self._warned.add(unknown)
            self._log.warning("Ignored fields that this version does not know", path=self.path, fields=unknown)

    def _refuse(self, problem: str, kept: Targets | None) -> bool:
        """Says what is wrong with the file, once, and goes on with `kept` if there is any; whether that is so."""
        stay = "the last good ones stay in force" if kept or self._has_targets else "there are no others yet"
        message = f"{self.path} was refused, {stay}: {problem}"
        is_new, self._problems = message not in self._problems, (message,)
        if kept:
            self._log.warning("Targets are damaged, those accepted before stay in force", path=self.path, err=problem)
            self._put_in_force(kept)
        elif is_new:
            self._log.error(f"Refused targets, {stay}", path=self.path, err=problem)
        return kept is not None

    def _kept(self) -> Targets | None:
        """What was accepted before this guard was started."""
        try:
            document = self._last_good and self._last_good.load()
            return parse(document, self._limits) if document else None
        except (OSError, ValueError) as error:
            self._log.warning("The copy of the last good targets is of no use", err=_told(error))
            return None


def _told(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return f"expected a regular file, found a link: {error.filename}"
    return str(error)
