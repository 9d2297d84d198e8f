"""How the host is set up, as far as it changes what a shortage of memory does here.

Each function answers one question; OSError and ValueError mean that it could not be answered.
"""

import errno
import itertools
import os

from oompolicy_agent.guard.files import read_kernel
from oompolicy_agent.guard.swaps import SwapArea, parse_swaps, zram_number
from oompolicy_agent.guard.verdict import Verdict, no, unknown, yes

__all__ = ["allocating_task", "compaction", "only_daemon", "panic", "swap"]

DAEMONS = ("earlyoom", "systemd-oomd", "oomd", "nohang")
"""As the kernel has their names: cut to 15 bytes, which all of these fit in."""
MOST_PROCESSES = 1 << 17
MOST_NAMED = 4
INITIAL_PID_NAMESPACE = "pid:[4026531836]"
"""The number is fixed in the kernel (PROC_PID_INIT_INO)."""


def panic(proc: str) -> Verdict:
    """Whether the node survives a shortage that the kernel is the first to see."""
    value = _number(proc, "panic_on_oom")
    if value == 0:
        return yes()
    return no(f"It is {value}: where the kernel must kill, the whole node goes down", "run sysctl vm.panic_on_oom=0")


def allocating_task(proc: str) -> Verdict:
    """Whether the kernel looks for a victim at all, so that oom_score_adj counts."""
    value = _number(proc, "oom_kill_allocating_task")
    if value == 0:
        return yes()
    return no(
        f"It is {value}: where the kernel must kill, it takes whoever asks for memory, protected or not",
        "run sysctl vm.oom_kill_allocating_task=0",
    )


def compaction(proc: str) -> Verdict:
    """Whether the guard's locked pages stay where they are. Its threads were seen in migration_entry_wait, on 7.2."""
    os.stat(f"{proc}/sys/vm")  # noqa: PTH116 - raises where the kernel does not say anything
    try:
        value = _number(proc, "compact_unevictable_allowed")
    except FileNotFoundError:
        return yes("The kernel has no compaction")
    if value == 0:
        return yes()
    return no(
        f"It is {value}: compaction moves locked pages too, and the guard waits for its own when memory is short",
        "run sysctl vm.compact_unevictable_allowed=0",
    )


def swap(proc: str) -> Verdict:
    """Which swap is in use: for information, because neither with nor without it anything is wrong."""
    os.stat(f"{proc}/meminfo")  # noqa: PTH116 - raises where this is no procfs
    found = read_kernel(f"{proc}/swaps") or ""  # a kernel without CONFIG_SWAP has no such file
    areas = parse_swaps(found)
    if len(areas) < len(found.splitlines()[1:]):
        return unknown(f"expected a line for each swap area in {proc}/swaps, found something else")
    if not areas:
        return no("There is none", "nothing to do: pressure warns too late then, and the guard goes by what is left")
    return yes(", ".join(map(_described, areas)))


def only_daemon(proc: str) -> Verdict:
    """Whether nobody else kills when memory is short."""
    pids = _pids(proc)
    others = [(pid, name) for pid in pids[:MOST_PROCESSES] if (name := _command(proc, pid)) in DAEMONS]
    if others:
        names = sorted({name for _, name in others})
        which = ", ".join(f"{name} (PID {pid})" for pid, name in others[:MOST_NAMED])
        return no(
            f"It kills by an order of its own: {which}",
            f"run systemctl disable --now {' '.join(names)}, or whatever stops it",
        )
    if len(pids) > MOST_PROCESSES:
        return unknown(f"expected at most {MOST_PROCESSES} processes, found more")
    return _sees_all(proc)


def _sees_all(proc: str) -> Verdict:
    """Yes, unless processes may be hidden from us."""
    namespace = os.readlink(f"{proc}/self/ns/pid")  # noqa: PTH115 - a link to nothing that exists
    if namespace != INITIAL_PID_NAMESPACE:
        return unknown("only the processes of this container are visible; give it the host's (hostPID)")
    if _command(proc, 1) is None:
        return unknown("other users' processes are hidden (hidepid); run this as root")
    return yes()


def _number(proc: str, name: str) -> int:
    """One of the kernel's numbers under vm."""
    path = f"{proc}/sys/vm/{name}"
    found = read_kernel(path)
    if found is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    return int(found)


def _pids(proc: str) -> list[int]:
    with os.scandir(proc) as entries:
        names = (entry.name for entry in entries)
        return [int(name) for name in itertools.islice(filter(str.isdecimal, names), MOST_PROCESSES + 1)]


def _command(proc: str, pid: int) -> str | None:
    """A process's name; None if it has gone or is not ours to see."""
    try:
        found = read_kernel(f"{proc}/{pid}/comm")
    except (OSError, ValueError):  # a name need not be UTF-8
        return None
    return None if found is None else found.rstrip("\n")


def _described(area: SwapArea) -> str:
    what = "disk" if zram_number(area) is None else "zram"
    return f"{what} {area.name} ({area.size >> 20} MiB)"
