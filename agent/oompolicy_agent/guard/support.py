"""Asks the host what the guard needs: each answer is yes, no and why, or unknown for now."""

import errno
import os
from dataclasses import dataclass

from oompolicy_agent.guard.files import read_kernel

__all__ = ["Reason", "Support", "probe"]

BACKEND = "Userspace"


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


BETTER = (
    Reason("KernelHook", "NotBuiltIn", "This agent has no KernelHook backend yet"),
    Reason("KernelAssist", "NotBuiltIn", "This agent has no KernelAssist backend yet"),
)
"""Why not a better backend than Userspace."""


def probe(cgroup_root: str, proc: str) -> Support:
    """Whether the Userspace backend works on this host."""
    try:
        return _controllers(cgroup_root) or _pressure(proc) or Support(None)
    except OSError as error:
        return Support(Reason(BACKEND, "Unknown", f"Could not find out what this host offers: {error}"), is_final=False)


def _controllers(root: str) -> Support | None:
    """The root of cgroup v2 has `cgroup.controllers`; that of v1, or a tmpfs with v1 below, has not."""
    controllers = read_kernel(f"{root}/cgroup.controllers")
    if controllers is None:
        return _no("CgroupV1", f"{root} is no cgroup v2 file system; boot with systemd.unified_cgroup_hierarchy=1")
    if "memory" not in controllers.split():
        return _no("NoMemoryController", "The kernel offers no memory controller; boot without cgroup_disable=memory")
    return None


def _pressure(proc: str) -> Support | None:
    """psi=0 leaves the file in place, and opening it fails (EOPNOTSUPP); without CONFIG_PSI there is none."""
    try:
        os.close(os.open(f"{proc}/pressure/memory", os.O_RDONLY | os.O_CLOEXEC))
    except FileNotFoundError:
        return _no("NoPSI", "The kernel has no pressure stall information (CONFIG_PSI)")
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        return _no("NoPSI", "Pressure stall information is off; boot with psi=1")
    return None


def _no(reason: str, message: str) -> Support:
    return Support(Reason(BACKEND, reason, message))
