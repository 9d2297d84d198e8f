"""Asks the host what the guard needs: each answer is yes, no and why, or unknown for now.

`run` keeps this module in memory, so it holds only what the guard itself must know; `features.py` asks the rest.
"""

import errno
import os
from dataclasses import dataclass

from oompolicy_agent.guard.files import read_kernel

__all__ = [
    "ASSIST",
    "BACKEND",
    "HOOK",
    "NO_HOOK",
    "Reason",
    "Support",
    "missing_cgroup_v2",
    "missing_memory_controller",
    "missing_pressure",
    "not_allowed",
    "probe",
]

HOOK, ASSIST, BACKEND = "KernelHook", "KernelAssist", "Userspace"
"""The backends, best first."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a backend does not work here: a word for programs, a sentence for people."""

    backend: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Support:
    """What works. `is_final` is False when the answer was unknown and is worth asking again."""

    obstacle: Reason | None
    """None: the Userspace backend works."""
    is_final: bool = True


NO_HOOK = Reason(HOOK, "NoHook", "This kernel has no struct bpf_oom_ops; no released one has: see docs/kernel.md")


def probe(cgroup_root: str, proc: str) -> Support:
    """Whether the Userspace backend works on this host."""
    try:
        return Support(
            missing_cgroup_v2(cgroup_root) or missing_memory_controller(cgroup_root) or missing_pressure(proc)
        )
    except OSError as error:
        return Support(Reason(BACKEND, "Unknown", f"Could not find out what this host offers: {error}"), is_final=False)


def missing_cgroup_v2(root: str) -> Reason | None:
    """None if it is there: the root of v2 has `cgroup.controllers`; that of v1, or a tmpfs with v1 below, has not.

    Raises OSError, like the other two, if the host does not say.
    """
    if read_kernel(f"{root}/cgroup.controllers") is not None:
        return None
    return _missing("CgroupV1", f"{root} is no cgroup v2 file system; boot with systemd.unified_cgroup_hierarchy=1")


def missing_memory_controller(root: str) -> Reason | None:
    """None if it is there."""
    if "memory" in (read_kernel(f"{root}/cgroup.controllers") or "").split():
        return None
    return _missing("NoMemoryController", "The kernel offers no memory controller; boot without cgroup_disable=memory")


def missing_pressure(proc: str) -> Reason | None:
    """None if it is there. psi=0 takes the file away (seen on 7.2), as does a kernel without CONFIG_PSI.

    The kernels that first had PSI left the file in place, and opening it failed.
    """
    try:
        os.close(os.open(f"{proc}/pressure/memory", os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        if error.errno not in {errno.ENOENT, errno.EOPNOTSUPP}:
            raise
        return _missing("NoPSI", "There is no pressure stall information; boot with psi=1, a kernel with CONFIG_PSI")
    return None


def not_allowed(backend: str) -> Reason:
    """A policy's `backends` leave it out."""
    return Reason(backend, "NotAllowed", "The policy's spec.backends do not have it")


def _missing(reason: str, message: str) -> Reason:
    return Reason(BACKEND, reason, message)
