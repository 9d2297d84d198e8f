"""Asks procfs about single processes: who may be killed, who is dying, who is largest, who shares memory with whom.

Only small files are read (never `cmdline` or `environ`, which may have to be fetched from swap).
"""

import re
from collections.abc import Sequence

from oompolicy_agent.guard.files import read_kernel
from oompolicy_agent.guard.syscalls import share_memory

__all__ = ["INIT", "is_exempt", "is_killed", "largest", "name_of", "namespace_inits"]

NEVER = -1000
"""The oom_score_adj of a process that asks the kernel never to be chosen; we keep to it."""
INIT = 1
SIGKILL_BIT = 1 << 8
MOST_COMPARED = 1024
"""Processes of one container that are compared by size; whoever runs more has no use for the unit Process."""
_PENDING = re.compile(r"^(?:SigPnd|ShdPnd):\s*([0-9a-f]+)$", re.MULTILINE)
_HELD = re.compile(r"^(?:VmRSS|VmSwap):\s*(\d+) kB$", re.MULTILINE)
_NAMESPACE_INIT = re.compile(r"^NSpid:.*\t1$", re.MULTILINE)


def is_exempt(proc: str, pid: int) -> bool:
    """Whether nobody may kill it: PID 1, or at oom_score_adj -1000."""
    if pid == INIT:
        return True
    found = read_kernel(f"{proc}/{pid}/oom_score_adj")
    return bool(found) and int(found or 0) == NEVER


def is_killed(proc: str, pid: int) -> bool:
    """Whether SIGKILL has reached it and it only has to go: it may be stuck in the kernel, or stopped."""
    masks = _PENDING.findall(read_kernel(f"{proc}/{pid}/status") or "")
    return any(int(mask, 16) & SIGKILL_BIT for mask in masks)


def namespace_inits(proc: str, pids: Sequence[int]) -> list[int]:
    """Those that are PID 1 of a PID namespace, which is whom a runtime sends SIGTERM; all of them where none is."""
    found = [pid for pid in pids if _NAMESPACE_INIT.search(read_kernel(f"{proc}/{pid}/status") or "")]
    return found or list(pids)


def largest(proc: str, pids: Sequence[int]) -> tuple[tuple[int, ...], int]:
    """The process that holds most, with all that share its memory: killing some of those gives nothing back.

    Returns their pids, the largest first, and the bytes that it holds in memory and swap.
    """
    sizes = {pid: _held(proc, pid) for pid in pids[:MOST_COMPARED]}
    if not sizes:
        return (), 0
    chosen = max(sizes, key=lambda pid: (sizes[pid], pid))
    sharing = [pid for pid in sizes if pid != chosen and share_memory(pid, chosen)]
    return (chosen, *sharing), sizes[chosen]


def name_of(proc: str, pid: int) -> str:
    """For people: `name[pid]`, by the name that the kernel's own OOM messages have."""
    return f"{(read_kernel(f'{proc}/{pid}/comm') or '').strip()}[{pid}]"


def _held(proc: str, pid: int) -> int:
    return sum(int(size) for size in _HELD.findall(read_kernel(f"{proc}/{pid}/status") or "")) * 1024
