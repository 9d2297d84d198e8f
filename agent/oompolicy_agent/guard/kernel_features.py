"""What the kernel offers, found by trying or by looking for the thing itself: vendors' version numbers say little.

Each function answers one question; OSError and ValueError mean that it could not be answered.
"""

import ctypes
import errno
import itertools
import os
from collections.abc import Callable

from oompolicy_agent.guard.btf import Btf, Kind
from oompolicy_agent.guard.files import read_hostile
from oompolicy_agent.guard.support import (
    Reason,
    missing_cgroup_v2,
    missing_memory_controller,
    missing_pressure,
)
from oompolicy_agent.guard.syscalls import PROCESS_MRELEASE
from oompolicy_agent.guard.verdict import Answer, Verdict, no, unknown, yes

__all__ = [
    "KFUNCS",
    "btf_verdict",
    "call_process_mrelease",
    "cgroup_kill",
    "cgroup_v2",
    "kernel_btf",
    "memcg_kfuncs",
    "memory_controller",
    "oom_hook",
    "pressure",
    "process_mrelease",
]

KFUNCS = (
    "bpf_iter_css_new",  # Linux 6.7
    "bpf_iter_css_task_new",
    "bpf_send_signal_task",  # Linux 6.13
    "bpf_get_root_mem_cgroup",  # Linux 7.0, as all below
    "bpf_get_mem_cgroup",
    "bpf_put_mem_cgroup",
    "bpf_mem_cgroup_usage",
    "bpf_mem_cgroup_page_state",
    "bpf_mem_cgroup_flush_stats",
)
"""What one BPF program run needs to walk the memcgs, read them, and signal a victim."""
OOM_HOOK = "bpf_oom_ops"
LARGEST_BTF = 64 << 20
"""Bytes. Distributions' kernels have 5 to 8 MiB."""
MOST_CHILDREN = 256
NO_PIDFD = -1


def cgroup_v2(root: str) -> Verdict:
    """Whether `root` is a cgroup v2 file system."""
    return _verdict(missing_cgroup_v2(root))


def memory_controller(root: str) -> Verdict:
    """Whether memory cgroups are there."""
    return _verdict(missing_cgroup_v2(root) or missing_memory_controller(root))


def pressure(proc: str) -> Verdict:
    """Whether the kernel measures stalls for memory."""
    return _verdict(missing_pressure(proc))


def cgroup_kill(root: str) -> Verdict:
    """Whether a whole cgroup can be killed at once (Linux 5.14). Only the root of all cgroups has no such file."""
    if missing_cgroup_v2(root):
        return no("It is part of cgroup v2", "see above")
    with os.scandir(root) as entries:
        children = (f"{root}/{entry.name}" for entry in entries if entry.is_dir(follow_symlinks=False))
        seen = [os.access(f"{path}/cgroup.kill", os.F_OK) for path in itertools.islice(children, MOST_CHILDREN)]
    if any(seen) or os.access(f"{root}/cgroup.kill", os.F_OK):
        return yes()
    if not seen:
        return unknown(f"{root} has no cgroup below it to look into")
    return no("No cgroup has the file cgroup.kill", "a fork bomb may outrun the guard's signals: use a newer kernel")


def call_process_mrelease() -> int:
    """Tries the call with a pidfd that cannot be, which harms nobody; returns the error number."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall(PROCESS_MRELEASE, NO_PIDFD, 0)
    return ctypes.get_errno()


def process_mrelease(call: Callable[[], int] = call_process_mrelease) -> Verdict:
    """Whether a victim's memory can be taken back before it has run to its end (Linux 5.15)."""
    code = call()
    if code == errno.EBADF:
        return yes()
    if code == errno.ENOSYS:
        return no(
            "The kernel has no such call", "memory comes back when the victim gets to run, later: use a newer kernel"
        )
    return unknown(f"expected EBADF for a wrong pidfd, found {errno.errorcode.get(code, code)}; a seccomp filter?")


def kernel_btf(sys: str) -> Btf | None:
    """The running kernel's BTF, None if it certainly has none."""
    folder = f"{sys}/kernel"
    os.stat(folder)  # noqa: PTH116 - raises where sysfs is not there, which says nothing about the kernel
    try:
        return Btf(read_hostile(f"{folder}/btf/vmlinux", LARGEST_BTF))
    except FileNotFoundError:
        return None


def btf_verdict(btf: Btf | None) -> Verdict:
    """Whether BPF programs can be fitted to this kernel and call its functions."""
    if btf:
        return yes()
    return no("The kernel does not describe its types", "use one with CONFIG_DEBUG_INFO_BTF; Userspace works without")


def memcg_kfuncs(btf: Btf | None) -> Verdict:
    """Whether a BPF program may walk and read memcgs. Without BTF no program can call any of the kernel's functions."""
    if btf is None:
        return no("Without BTF no program can use the kernel's own types and functions", "see above")
    lacking = [name for name in KFUNCS if not btf.has(name, Kind.FUNC)]
    if not lacking:
        return yes()
    return no(f"The kernel has no {', '.join(lacking)}", "use a newer one for KernelAssist; Userspace works without")


def oom_hook(btf: Btf | None) -> Verdict:
    """Whether a BPF program may choose the victim inside the OOM killer."""
    if btf is None:
        return no("Without BTF no program can use the kernel's own types and functions", "see above")
    if btf.has(OOM_HOOK, Kind.STRUCT):
        return yes()
    return no(
        f"The kernel has no struct {OOM_HOOK}", "no released one has it: KernelHook needs a patch, Userspace does not"
    )


def _verdict(missing: Reason | None) -> Verdict:
    return Verdict(Answer.NO, missing.message) if missing else yes()
