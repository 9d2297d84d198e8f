"""Runs in a machine with the patched kernel, on a tree of pod_tree.py: one OOM after another at kubepods' limit.

Prints how many milliseconds each choice took, without what the kill took: with our handler, and without any. The same
process dies each time: it is the largest, and has the lowest priority. The kernel itself measures (function_graph).
"""

import json
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.guest_scan import targets
from kernel_oom.hook import Decider
from oompolicy_agent.guard.assist_abi import Flag, Target
from oompolicy_agent.guard.assist_targets import assist_targets
from oompolicy_agent.guard.census import Census
from oompolicy_agent.guard.hook import withdraw
from oompolicy_agent.guard.memcgs import CgroupFS
from oompolicy_agent.guard.sandboxes import Roles
from oompolicy_agent.guard.settings import Limits
from random_oom.worker import CGROUPS, MEBIBYTE, Worker

TRACING = Path("/sys/kernel/tracing")
ALL, ASKED = "out_of_memory", "bpf_handle_oom"
KILLS = ("oom_kill_process", "bpf_oom_kill_process")
TIMED = re.compile(r"([\d.]+) us +\| +(?:\} /\* (\w+)|(\w+)\(\))")
KUBEPODS = CGROUPS / "kubepods"
HOG = KUBEPODS / "hog"
MOST_TARGETS = 16384
LOWEST = -1000
ROOM, TOO_MUCH = 32, 48
"""MiB below the limit, and what the hog takes."""


def choices(trace: str) -> list[float]:
    """Milliseconds of each choice that ended in a kill; what the kernel calls is traced before its caller."""
    found, spent = [], dict.fromkeys((ASKED, *KILLS), 0.0)
    for microseconds, outer, leaf in TIMED.findall(trace):
        name, took = outer or leaf, float(microseconds)
        if name != ALL:
            spent[name] += took
            continue
        by_kernel, by_handler = (spent[kill] for kill in KILLS)
        if by_handler:
            found.append((spent[ASKED] - by_handler) / 1000)
        elif by_kernel:
            found.append((took - by_kernel) / 1000)
        spent = dict.fromkeys(spent, 0.0)
    return found


@contextmanager
def traced() -> Iterator[None]:
    """Only the functions that are timed."""
    (TRACING / "set_ftrace_filter").write_text("\n".join((ALL, ASKED, *KILLS)))
    (TRACING / "current_tracer").write_text("function_graph")
    (TRACING / "options/funcgraph-tail").write_text("1")
    try:
        yield
    finally:
        (TRACING / "current_tracer").write_text("nop")


def run_out() -> None:
    """One OOM, of which the hog dies."""
    limit = KUBEPODS / "memory.max"
    limit.write_text("max")
    hog = Worker("/kubepods/hog", 1)
    hog.wait_ready()
    limit.write_text(str(int((KUBEPODS / "memory.current").read_text()) + ROOM * MEBIBYTE))
    try:
        hog.hold(TOO_MUCH)
    except (ChildProcessError, BrokenPipeError):
        os.waitpid(hog.pid, 0)
        hog.close()
        return
    raise RuntimeError(f"expected the hog to die at kubepods' limit, but it holds {TOO_MUCH} MiB")


def measured(repeats: int) -> list[float]:
    """Of so many OOMs."""
    (TRACING / "trace").write_text("")
    for _ in range(repeats):
        run_out()
    return choices((TRACING / "trace").read_text())


def main(directory: str, pods: int, each: int, repeats: int) -> None:
    """Without a handler, and then with ours."""
    Path("/proc/sys/kernel/printk").write_text("1")  # a serial console is slower than anything that is measured here
    HOG.mkdir(exist_ok=True)
    census = Census(CgroupFS(str(CGROUPS)), Roles("/"), Limits(), "")
    now = time.monotonic()
    census.refresh(now)
    told = assist_targets(census.tree, targets(pods, each), census.facts(now))
    with traced():
        found = {"kernel": measured(repeats)}
        decider = Decider(directory, MOST_TARGETS)
        decider.tell(told | {HOG.stat().st_ino: Target(LOWEST, Flag.HAS_PRIORITY | Flag.UNIT)})
        found["handler"] = measured(repeats)
    withdraw()
    HOG.rmdir()
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], *(int(word) for word in sys.argv[2:]))
