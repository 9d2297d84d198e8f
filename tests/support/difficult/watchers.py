"""What tests run beside the victims: who traces one, takes all memory, lets a stopped guard go on, or kills the guard.

`python3 -m difficult.watchers COMMAND`; each says in one line when it is ready. Sizes are MiB.
"""

import argparse
import ctypes
import json
import os
import select
import signal
import time
from pathlib import Path

from difficult.command import LIBC, MEBIBYTE, run, say, taken

PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_O_TRACEEXIT = 0x4206, 0x4207, 1 << 6
WALL = 0x40000000
"""waitpid also for processes that are not our children but our tracees."""
MCL_CURRENT, MCL_FUTURE = 1, 2
NODE = "node"
NEAR, NOISE = 64, 2
"""MiB: from where `exhaust` approaches its aim one by one, and what counters are off by."""
STEP_SECONDS = 0.01
SMALLEST_LISTS = "1000000"
"""Of vm.percpu_pagelist_high_fraction: about a mebibyte for each CPU."""
REFRESHES, REFRESH_SECONDS = 20, 0.5
"""Each has every CPU give back an eighth of what is on its list above that; busy ones after seconds."""
AGAIN_SECONDS = 0.3
"""After which `exhaust` takes what has come back."""
PATIENCE_SECONDS = 60


def trace(pid: int, *, at_exit: bool) -> None:
    """Stops a process as a debugger does, and never lets it go on; `at_exit` asks to be told of its exit, too.

    A tracee that is killed stops once more for a tracer who asked for that, and this one does not answer.
    """
    ptrace(PTRACE_SEIZE, pid, PTRACE_O_TRACEEXIT if at_exit else 0)
    ptrace(PTRACE_INTERRUPT, pid)
    os.waitpid(pid, WALL)
    say(f"traced {pid}")
    signal.pause()


def ptrace(request: int, pid: int, data: int = 0) -> None:
    """Makes one request of a tracer; raises OSError."""
    if LIBC.ptrace(request, pid, None, ctypes.c_void_p(data)) == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def exhaust(leave: int, of: str, *, again: bool) -> None:
    """Takes what there is, down to `leave`, and says so; `again` takes what comes back, too.

    Args:
        leave: MiB.
        of: `node`, or the folder of a memcg with a limit.
        again: see there.
    """
    lock()
    empty_lists()
    held = []
    while True:
        while (left := left_in(of)) > leave:
            held.append(taken(max(1, left - leave - NEAR)))
            time.sleep(STEP_SECONDS)
        say(f"leaves {left} MiB")
        if not again:
            signal.pause()
        while left_in(of) <= leave:
            time.sleep(STEP_SECONDS)
        time.sleep(AGAIN_SECONDS)


def shorten(leave: int) -> None:
    """Takes what the node has at once, down to `leave` MiB, and none of what comes back when somebody dies for it."""
    lock()
    empty_lists()
    held = taken(left_in(NODE) - leave)
    say(f"leaves {left_in(NODE)} MiB, holding {len(held) // MEBIBYTE}")
    signal.pause()


def lock() -> None:
    """Keeps itself in memory: whoever brings a shortage about must not wait for its own pages."""
    if LIBC.mlockall(MCL_CURRENT | MCL_FUTURE) == -1:
        raise OSError(ctypes.get_errno(), "mlockall")


def empty_lists() -> None:
    """Has no CPU keep many free pages for itself.

    They count as used and are given back by and by, up to 40 MiB of two CPUs (since Linux 6.7): what was a shortage
    would be none a second later.
    """
    Path("/proc/sys/vm/percpu_pagelist_high_fraction").write_text(SMALLEST_LISTS)
    end = time.monotonic() + REFRESH_SECONDS
    for _ in range(REFRESHES):
        Path("/proc/sys/vm/stat_refresh").read_bytes()
        if time.monotonic() > end:
            return


def left_in(memcg: str) -> int:
    """MiB below the limit of a memcg (its folder), or what is available on the node (`node`)."""
    if memcg != NODE:
        limit, usage = (int(Path(memcg, name).read_text()) for name in ("memory.max", "memory.current"))
        return (limit - usage) // MEBIBYTE
    lines = Path("/proc/meminfo").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("MemAvailable")).split()[1]) // 1024


def resume(guard: int, victim: int, at: int, of: str) -> None:
    """Once only `at` is left of `of` (see `exhaust`), lets a stopped guard go on.

    Prints how long the victim then lived, and the guard's page faults.
    """
    lock()
    poll = select.poll()
    poll.register(os.pidfd_open(victim), select.POLLIN)
    say("watching")
    while (left := left_in(of)) > at + NOISE:
        time.sleep(STEP_SECONDS)
    before, start = faults(guard), time.monotonic()
    os.kill(guard, signal.SIGCONT)
    has_died = bool(poll.poll(PATIENCE_SECONDS * 1000))
    took = round((time.monotonic() - start) * 1000, 1)
    cost = {name: count - before[name] for name, count in faults(guard).items()}
    say(json.dumps({"leftMebibytes": left, "victimDied": has_died, "milliseconds": took} | cost))


def faults(pid: int) -> dict[str, int]:
    """Page faults of a process with all its threads, and the bytes that it made a disk read."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    io = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return {"minorFaults": int(fields[7]), "majorFaults": int(fields[9]), "readBytes": int(io["read_bytes"])}


def crash(guard: int, on: str, path: str, delay: float) -> None:
    """Kills the guard `delay` milliseconds after something happened.

    Args:
        guard: its pid.
        on: `bytes` or `size` of the file `path` have changed, or `margin`: less than `path` MiB are available.
        path: see there.
        delay: may have a fraction.
    """
    pidfd = os.pidfd_open(guard)
    before = None if on == "margin" else looked_at(path, on)
    say("watching")
    while (left_in(NODE) >= int(path)) if on == "margin" else (looked_at(path, on) == before):
        time.sleep(0)
    end = time.monotonic() + delay / 1000
    while time.monotonic() < end:
        time.sleep(0)
    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    say("killed")


def looked_at(path: str, on: str) -> object:
    """The content or size of a file; None while it is not there."""
    try:
        return Path(path).read_bytes() if on == "bytes" else Path(path).stat().st_size
    except FileNotFoundError:
        return None


if __name__ == "__main__":
    run(argparse.ArgumentParser(description=__doc__), (trace, exhaust, shorten, resume, crash))
