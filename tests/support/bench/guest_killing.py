"""Runs in a machine: kills a process of 100 MiB as the guard does, and by the BPF program itself. Prints a JSON object.

`python3 -m bench.guest_killing REPEATS ASSIST BOTH`: the folders of the program that chooses and of the one that also
kills. Milliseconds, medians; and how often a storm of forks has survived.
"""

import json
import os
import select
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from differential.program import Program
from oompolicy_agent.guard.assist_abi import Flag, Question, Target
from oompolicy_agent.guard.kill import Crew, kill, muster
from oompolicy_agent.guard.memcgs import CgroupFS
from random_oom.stage import is_removed, wait_until
from random_oom.worker import CGROUPS, MEBIBYTE, Worker

TOP, NAME = CGROUPS / "killing", "/killing/victim"
VICTIM = CGROUPS / NAME.lstrip("/")
MEBIBYTES, NEXT_TO_NOTHING = 100, 4 * MEBIBYTE
STORM = 5
"""Processes that do nothing but fork."""
MOST_IN_A_STORM = 60
SETTLE_SECONDS = 0.3
"""After which whoever has survived a storm is still there."""

Killer = Callable[[int], object]
"""Kills what is in the only memcg with a target; the number is of the run."""


class Killers:
    """The two ways."""

    def __init__(self, assist: str, both: str) -> None:
        self._assist, self._both = Program(assist), Program(both)
        self._cgroups, self._crew = CgroupFS(str(CGROUPS)), Crew()
        self._domain = TOP.stat().st_ino

    def tell(self) -> None:
        """Makes the victim the only candidate."""
        for program in (self._assist, self._both):
            program.tell({VICTIM.stat().st_ino: Target(0, Flag.UNIT)})

    def guard(self, run: int) -> None:
        """Chosen in the kernel, killed by the guard: signals, cgroup.kill and process_mrelease."""
        if not self._assist.ask(Question(self._domain, run)).victim:
            raise RuntimeError("expected a victim, found none")
        party = muster(self._cgroups, "/proc", [NAME])
        kill(self._cgroups, [NAME], party.killable, self._crew, whole=True)

    def program(self, run: int) -> None:
        """Chosen and killed by one run of a program."""
        if not self._both.ask(Question(self._domain, run)).victim:
            raise RuntimeError("expected a victim, found none")


def of_one(killers: Killers, killer: Killer, run: int) -> tuple[float, float, float]:
    """Milliseconds until the call is back, the process has gone, and its memory is free."""
    VICTIM.mkdir()
    killers.tell()
    worker = Worker(NAME, MEBIBYTES)
    worker.wait_ready()
    pidfd = os.pidfd_open(worker.pid)
    start = time.perf_counter()
    killer(run)
    called = time.perf_counter()
    select.select([pidfd], [], [])
    gone = time.perf_counter()
    while int((VICTIM / "memory.current").read_text()) > NEXT_TO_NOTHING:
        pass
    free = time.perf_counter()
    os.waitpid(worker.pid, 0)
    worker.close()
    os.close(pidfd)
    wait_until("the victim's memcg is removed", partial(is_removed, VICTIM))
    return (called - start) * 1000, (gone - start) * 1000, (free - start) * 1000


def of_a_storm(killers: Killers, killer: Killer, run: int) -> bool:
    """Whether anybody has survived among processes that do nothing but fork."""
    VICTIM.mkdir()
    (VICTIM / "pids.max").write_text(str(MOST_IN_A_STORM))
    killers.tell()
    first = os.fork()
    if first == 0:
        (VICTIM / "cgroup.procs").write_text("0")
        for _ in range(STORM - 1):
            os.fork()
        fork_for_ever()
    wait_until("the storm rages", lambda: int((VICTIM / "pids.current").read_text()) > STORM)
    killer(run)
    os.waitpid(first, 0)
    time.sleep(SETTLE_SECONDS)
    has_survivors = "populated 1" in (VICTIM / "cgroup.events").read_text()
    (VICTIM / "cgroup.kill").write_text("1")
    wait_until("the storm's memcg is removed", partial(is_removed, VICTIM))
    return has_survivors


def fork_for_ever() -> None:
    """Never returns; what it forks does the same."""
    while True:
        try:
            os.fork()
        except OSError:  # as many as are allowed
            os.sched_yield()


def main() -> None:
    """Measures both in turn."""
    repeats, assist, both = int(sys.argv[1]), *sys.argv[2:]
    (CGROUPS / "cgroup.subtree_control").write_text("+memory +pids")
    TOP.mkdir()
    (TOP / "cgroup.subtree_control").write_text("+memory +pids")
    killers = Killers(assist, both)
    ways: dict[str, Killer] = {"guard": killers.guard, "program": killers.program}
    times: dict[str, list[tuple[float, float, float]]] = {way: [] for way in ways}
    survived = dict.fromkeys(ways, 0)
    for run in range(1, repeats + 1):
        for way, killer in ways.items():
            times[way].append(of_one(killers, killer, run))
            survived[way] += of_a_storm(killers, killer, run)
    medians = {way: [round(median(column), 2) for column in zip(*rows, strict=True)] for way, rows in times.items()}
    Path(TOP).rmdir()
    print(json.dumps({"milliseconds": medians, "stormsSurvived": survived}))


if __name__ == "__main__":
    main()
