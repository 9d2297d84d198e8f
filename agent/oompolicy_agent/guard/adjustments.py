"""Sets oom_score_adj of containers' processes, and can put all of them back: nothing is written that is not recorded.

The record, `adjusted.json`, is replaced before the first write that it does not cover, and goes when all is put back.
So a guard may die between any two lines: what it had begun the next one goes on with, or undoes.
"""

import contextlib
import errno
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace

from oompolicy_agent.guard import files
from oompolicy_agent.guard.adjusted import LIMIT, MOST_PROCESSES, Original, Shaped, document, grown, parse
from oompolicy_agent.guard.fields import FieldError
from oompolicy_agent.guard.log import Log
from oompolicy_agent.guard.memcgs import CgroupFS
from oompolicy_agent.guard.oom_scores import OomScores, Write

__all__ = ["NAME", "Adjustments"]

NAME = "adjusted.json"
PASSES = 8
"""While values are put back processes fork; after so many passes the rest is left for the next call."""


class Adjustments:
    """All that is adjusted on one host. No method raises OSError: `problem` says what is wrong.

    Args:
        cgroups: the cgroup file system.
        proc: where procfs is.
        directory: a descriptor of the directory that the record is in, best on tmpfs: no disk is waited for then. None:
            there is none, and nothing is adjusted.
        boot: which boot of the machine this is; a record of another one says nothing.
        log: told of each problem once.
    """

    def __init__(self, cgroups: CgroupFS, proc: str, directory: int | None, boot: str, log: Log) -> None:
        self.problem: str | None = None
        """What keeps us from adjusting or putting back, for the status."""
        self.count = 0
        """Processes that were brought to a value of ours, as of the last call."""
        self._scores = OomScores(cgroups, proc)
        self._directory = directory
        self._boot = boot
        self._log = log
        self._problems: list[str] = []
        self._shaped = self._load()
        """By memcg id, exactly what is in the record."""
        self._tell()

    def apply(self, wanted: Mapping[str, tuple[int, int]]) -> None:
        """Brings the processes of these containers to these values, and puts those of all others back.

        Args:
            wanted: memcg id and oom_score_adj by path, first those that matter most: beyond the bound of what can be
                recorded the others are left as they are.
        """
        self._begin()
        ids = {memcg for memcg, _ in wanted.values()}
        after = {key: one for key, one in self._shaped.items() if key in ids or not self._is_undone(one)}
        writes = self._plan(wanted, after)
        is_first = not self._shaped
        if self._save(after):
            self.count += len(writes) - self._write(writes)
            if is_first and self.count:
                self._log.info("Adjusted oom_score_adj", processes=self.count, containers=len(after))
        self._tell()

    def restore(self) -> None:
        """Puts everything back. Cheap when there is nothing to put back."""
        self._begin()
        if self._shaped:
            left = {key: one for key, one in self._shaped.items() if not self._is_undone(one)}
            if self._save(left) and not left:
                self._log.info("Put oom_score_adj back")
        self._tell()

    def _plan(self, wanted: Mapping[str, tuple[int, int]], after: dict[int, Shaped]) -> list[Write]:
        """What to write, once `after` says so, too."""
        writes: list[Write] = []
        recorded = sum(len(one.processes) for one in after.values())
        for path, (memcg, value) in wanted.items():
            before = after.get(memcg)
            shaped, some = self._planned(before, path, memcg, value)
            if shaped is None:
                continue
            recorded += len(shaped.processes) - (len(before.processes) if before else 0)
            if recorded > MOST_PROCESSES:
                self._problems.append(
                    f"Expected at most {MOST_PROCESSES} processes to adjust, found more; some are not"
                )
                break
            after[memcg] = shaped
            writes += some
        return writes

    def _planned(self, before: Shaped | None, path: str, memcg: int, value: int) -> tuple[Shaped | None, list[Write]]:
        """What the record must say of a container, None if nothing, and what to write then."""
        try:
            standing = self._scores.standing(path, memcg)
            differing = [pid for pid, now in standing.items() if now != value]
            if before:
                self.count += len(standing) - len(differing)
            # First everybody is recorded: who stands at our value by himself must not be taken for a child.
            strangers = [pid for pid, now in standing.items() if before is None or now not in before.values]
            starts = self._scores.starts(path, {*differing, *strangers}) if differing else {}
            before = before and (self._without_dead(before) if differing else before)
        except OSError as error:
            self._problems.append(f"A container's oom_score_adj is left as it is: {error}")
            return before, []
        writes = [Write(pid, starts[pid], value) for pid in differing if pid in starts]
        found = {pid: Original(starts[pid], standing[pid]) for pid in strangers if pid in starts}
        return (grown(before, path, memcg, value, found) if writes else before), writes

    def _is_undone(self, shaped: Shaped) -> bool:
        """Puts the processes of a container back; whether all of them are."""
        try:
            for _ in range(PASSES):
                writes = self._undoing(shaped)
                if not writes:
                    return True
                if self._write(writes):
                    return False
        except OSError as error:
            self._problems.append(f"A container's oom_score_adj is not put back: {error}")
        return False

    def _undoing(self, shaped: Shaped) -> list[Write]:
        """What is left to write until a container's processes are back; who chose a value himself is left alone."""
        standing = self._scores.standing(shaped.path, shaped.id)
        starts = self._scores.starts(shaped.path, standing)
        for pid, own in shaped.processes.items():  # who was moved to another memcg since is not in this one
            if pid not in starts and self._scores.start(pid) == own.start:
                value = self._scores.value(pid)
                if value is not None:
                    starts[pid], standing[pid] = own.start, value
        back = [Write(pid, start, shaped.original_of(pid, start)) for pid, start in starts.items()]
        return [one for one in back if standing[one.pid] in shaped.values and standing[one.pid] != one.value]

    def _without_dead(self, shaped: Shaped) -> Shaped:
        alive = {pid: own for pid, own in shaped.processes.items() if self._scores.start(pid) == own.start}
        return replace(shaped, processes=alive)

    def _write(self, writes: Iterable[Write]) -> int:
        """Writes what the record covers; how many could not be written."""
        failed = 0
        for one in writes:
            try:
                self._scores.write(one)
            except OSError as error:
                failed += 1
                self._problems.append(f"oom_score_adj of some processes cannot be written: {error.strerror}")
        return failed

    def _load(self) -> dict[int, Shaped]:
        if self._directory is None:
            return {}
        try:
            return parse(files.read_hostile(NAME, LIMIT, directory=self._directory), self._boot)
        except FileNotFoundError:
            return {}
        except (OSError, FieldError) as error:
            self._problems.append(f"{NAME} is of no use, so what it told of is not put back: {error}")
            return {}

    def _save(self, after: dict[int, Shaped]) -> bool:
        """Makes the record say that; whether it does."""
        if after == self._shaped:
            return True
        try:
            self._replace(after)
        except OSError as error:
            self._problems.append(f"oom_score_adj is left as it is, {NAME} cannot be written: {error.strerror}")
            return False
        self._shaped = after
        return True

    def _replace(self, after: dict[int, Shaped]) -> None:
        if self._directory is None:
            raise OSError(errno.ENOENT, "There is no directory for it")
        if not after:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(NAME, dir_fd=self._directory)
            return
        content = document(after.values(), self._boot)
        if len(content) > LIMIT:
            raise OSError(errno.EFBIG, f"Expected at most {LIMIT} bytes, would be {len(content)}")
        files.replace(self._directory, NAME, content, 0o600)

    def _begin(self) -> None:
        self._problems, self.count = [], 0

    def _tell(self) -> None:
        """Says each problem once, until it is over."""
        problem = self._problems[0] if self._problems else None
        if problem and problem != self.problem:
            self._log.warning("Could not shape oom_score_adj", err=problem)
        self.problem = problem
