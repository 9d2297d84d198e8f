"""Recognises what a node cannot do without: the guard, kubelet, the container runtime and PID 1 are never victims.

Only asked of memcgs outside kubepods: in a pod any tenant may give a process such a name.
"""

import os
from collections.abc import Iterable

from oompolicy_agent.guard.files import read_kernel
from oompolicy_agent.guard.kill import INIT

__all__ = ["holds_vital"]

VITAL = frozenset(
    (
        "kubelet",
        "containerd",
        "containerd-shim",  # containerd-shim-runc-v2: the kernel cuts names to 15 bytes
        "dockerd",
        "cri-dockerd",
        "crio",
        "conmon",
        "conmonrs",
        "k3s-server",  # kubelet and more in one process
        "k3s-agent",
        "kubelite",
    )
)
MOST_ASKED = 4096
"""Processes of one memcg that are looked at. What holds more is taken for vital: nobody knows who else is in it."""


def holds_vital(proc: str, pids: Iterable[int]) -> bool:
    """Whether one of these processes is needed by the node; `proc` is where procfs is mounted."""
    own = os.getpid()
    for number, pid in enumerate(pids):
        if pid in {INIT, own} or number >= MOST_ASKED:
            return True
        if _name(proc, pid) in VITAL:
            return True
    return False


def _name(proc: str, pid: int) -> str:
    """As the kernel has it; empty if the process has gone."""
    try:
        return (read_kernel(f"{proc}/{pid}/comm") or "").strip()
    except (OSError, ValueError):  # a name may be any bytes
        return ""
