"""Starts the crisis and keeps the time of what happens in it: `watcher.py ORDER`, both ways JSON.

Everything is locked in memory and the process has real-time priority; the interpreter that runs it should be a copy of
its own, or the pages of Python that it locks would be a present to every other Python program of the machine.
Times are seconds of the monotonic clock since the hog was let go.
"""

import contextlib
import ctypes
import gc
import json
import os
import select
import signal
import struct
import sys
import time
from collections.abc import Iterable
from typing import Any

MEBIBYTE = 1 << 20
POLL_MILLISECONDS = 20
LOW = 100 * MEBIBYTE
"""The margin from which on the time to the first death is counted."""
SETTLE_SECONDS = 3.0
"""What is still watched once the hog is gone."""
WARM_SECONDS = 5.0
"""For a killer to have done what it does only once, before its idle CPU is measured."""
MCL_CURRENT, MCL_FUTURE = 1, 2
PAUSES = struct.Struct("<ddd")
CGROUPS = "/sys/fs/cgroup"


class Figures:
    """A file of `name value` lines that is read again and again through one descriptor."""

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)

    def get(self, *names: str) -> list[int]:
        """The values of those names, 0 for one that is not there."""
        lines = os.pread(self._descriptor, 16384, 0).decode().splitlines()
        found = {parts[0].rstrip(":"): parts[1] for line in lines if len(parts := line.split()) > 1}
        return [int(found.get(name, 0)) for name in names]

    def number(self) -> int:
        """The only number in it."""
        return int(os.pread(self._descriptor, 64, 0))


class Margin:
    """What is left: of the node, and under the limit of the pods' cgroup if it has one."""

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._meminfo = Figures("/proc/meminfo")
        self._usage = Figures(f"{CGROUPS}/kubepods/memory.current")
        self._stat = Figures(f"{CGROUPS}/kubepods/memory.stat")

    def node(self) -> int:
        """MemAvailable in bytes."""
        return self._meminfo.get("MemAvailable")[0] * 1024

    def left(self) -> int:
        """Bytes; below a limit file memory counts as free, as MemAvailable counts it."""
        if self._limit is None:
            return self.node()
        return self._limit - self._usage.number() + sum(self._stat.get("active_file", "inactive_file"))


class Container:
    """The one process of a container, and its end."""

    def __init__(self, name: str, path: str) -> None:
        self.name = name
        self._folder = f"{CGROUPS}{path}"
        with open(f"{self._folder}/cgroup.procs", encoding="ascii") as file:  # noqa: PTH123 - less memory
            self.pid = int(file.readline())
        self.handle = os.pidfd_open(self.pid)
        self._events = Figures(f"{self._folder}/memory.events.local")

    def signal(self, number: int) -> None:
        """Sends it a signal, if it is still there."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.handle, number)

    @property
    def kernel_kills(self) -> int:
        """How many of its processes the kernel's OOM killer took."""
        return self._events.get("oom_kill")[0]


class Crisis:
    """From the hog's start to its end."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._margin = Margin(order["limit"])
        self._containers = [Container(name, path) for name, path in order["containers"].items()]
        self._crit, self._hog = (self._named(name) for name in ("crit", "hog"))
        self._seconds: float = order["seconds"]
        self._poll = select.poll()
        self._alive = {container.handle: container for container in self._containers}
        for handle in self._alive:
            self._poll.register(handle, select.POLLIN)
        self.low_at: float | None = None
        self.lowest = self.lowest_node = 1 << 60
        self.longest_look = 0.0
        self.deaths: list[dict[str, Any]] = []
        self.start = 0.0

    @property
    def pids(self) -> dict[str, int]:
        """Of each container."""
        return {container.name: container.pid for container in self._containers}

    @property
    def survivors(self) -> list[str]:
        """Who lives."""
        return [container.name for container in self._alive.values()]

    def calm(self) -> None:
        """Begins the time before the crisis: from now on crit's pauses are those of the machine itself."""
        self._crit.signal(signal.SIGUSR1)

    def run(self) -> bool:
        """Returns whether somebody else than us ended the hog in time."""
        self.start = time.monotonic()
        for container in (self._crit, self._hog):
            container.signal(signal.SIGUSR1)
        ended_at = None
        last = 0.0
        while ended_at is None or last - ended_at < SETTLE_SECONDS:
            left = self._look()
            for handle, _ in self._poll.poll(POLL_MILLISECONDS):
                self._died(self._alive.pop(handle), left)
            now = time.monotonic() - self.start
            self.longest_look, last = max(self.longest_look, now - last), now
            if ended_at is None and self._hog.handle not in self._alive:
                ended_at = now
            if ended_at is None and now > self._seconds:
                return False
        return True

    def _named(self, name: str) -> Container:
        return next(container for container in self._containers if container.name == name)

    def _look(self) -> int:
        left = self._margin.left()
        self.lowest, self.lowest_node = min(self.lowest, left), min(self.lowest_node, self._margin.node())
        if self.low_at is None and left < LOW:
            self.low_at = time.monotonic() - self.start
        return left

    def _died(self, container: Container, left: int) -> None:
        self._poll.unregister(container.handle)
        by_kernel = container.kernel_kills > 0
        death = {"name": container.name, "at": time.monotonic() - self.start, "byKernel": by_kernel, "margin": left}
        self.deaths.append(death)

    def clean(self) -> None:
        """Ends the hog, so that the machine can answer."""
        self._hog.signal(signal.SIGKILL)


def own_figures(pids: Iterable[int]) -> dict[str, int]:
    """What those processes have resident and locked, in KiB."""
    resident = locked = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            figures = Figures(f"/proc/{pid}/status").get("VmRSS", "VmLck")
            resident, locked = resident + figures[0], locked + figures[1]
    return {"residentKiB": resident, "lockedKiB": locked}


def processes(cgroup: str) -> list[int]:
    """The processes in a cgroup."""
    with open(f"{CGROUPS}{cgroup}/cgroup.procs", encoding="ascii") as file:  # noqa: PTH123 - less memory
        return [int(line) for line in file]


def idle(cgroup: str, seconds: float) -> float:
    """The share of one CPU that a cgroup uses while nothing happens, in percent."""
    usage = Figures(f"{CGROUPS}{cgroup}/cpu.stat")
    start, before = time.monotonic(), usage.get("usage_usec")[0]
    time.sleep(seconds)
    used = usage.get("usage_usec")[0] - before
    return used / 1e4 / (time.monotonic() - start)


def pauses(path: str, end: float, *, is_alive: bool) -> dict[str, float]:
    """The longest pause of the workload that must live, quiet and in the crisis, in milliseconds."""
    with open(path, "rb") as file:  # noqa: PTH123 - less memory
        quiet, longest, last = PAUSES.unpack(file.read())
    if is_alive:
        longest = max(longest, end - last)
    return {"quiet": quiet * 1000, "longest": longest * 1000}


def be_ready() -> None:
    """Nothing of us is paged out, and nobody runs before us."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(MCL_CURRENT | MCL_FUTURE):
        raise OSError(ctypes.get_errno(), "mlockall")
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    gc.disable()


def main() -> None:
    """Does what the order says and prints the record."""
    order = json.loads(sys.argv[1])
    be_ready()
    crisis = Crisis(order)
    time.sleep(WARM_SECONDS)
    crisis.calm()
    cgroup = order["killer"]
    record: dict[str, Any] = {"killer": None, "pids": crisis.pids}
    if cgroup:
        record["killer"] = {"idlePercent": idle(cgroup, order["idleSeconds"])} | own_figures(processes(cgroup))
    else:
        time.sleep(order["idleSeconds"])
    ended = crisis.run()
    end = time.monotonic()
    if cgroup:
        record["killer"]["isAlive"] = bool(processes(cgroup))
    record["crit"] = pauses(order["pauses"], end, is_alive="crit" in crisis.survivors)
    crisis.clean()
    record |= {
        "hogWasEnded": ended,
        "survivors": crisis.survivors,
        "deaths": crisis.deaths,
        "lowAt": crisis.low_at,
        "lowest": crisis.lowest,
        "lowestNode": crisis.lowest_node,
        "longestLook": crisis.longest_look,
    }
    print(json.dumps(record))


if __name__ == "__main__":
    main()
