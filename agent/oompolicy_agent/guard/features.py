"""Everything that `oompolicy-guard check` asks about a host, and how it asks.

A question that cannot be answered is an answer of its own and ends nothing. `run` must not import this: it needs a
tenth of the answers, and would keep the rest in memory.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from oompolicy_agent.guard import host_habits, kernel_features
from oompolicy_agent.guard.verdict import Verdict, unknown

__all__ = ["Finding", "Host", "survey"]


@dataclass(frozen=True, slots=True)
class Host:
    """Where the host's file systems are."""

    cgroup_root: str
    proc: str
    sys: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One question with its answer."""

    feature: str
    """For programs."""
    title: str
    """For people, put so that yes is what one wants."""
    verdict: Verdict
    is_information: bool = False
    """Neither yes nor no is better."""


def survey(host: Host) -> Iterator[Finding]:
    """Asks everything, in the order in which people should read it."""
    root, proc, sys = host.cgroup_root, host.proc, host.sys
    yield _ask("CgroupV2", "cgroup v2", lambda: kernel_features.cgroup_v2(root))
    yield _ask("MemoryController", "memory controller", lambda: kernel_features.memory_controller(root))
    yield _ask("PSI", "pressure stall information (PSI)", lambda: kernel_features.pressure(proc))
    yield _ask("CgroupKill", "cgroup.kill", lambda: kernel_features.cgroup_kill(root))
    yield _ask("ProcessMrelease", "process_mrelease", kernel_features.process_mrelease)
    yield from _bpf(sys)
    yield _ask("PanicOnOOM", "vm.panic_on_oom is 0", lambda: host_habits.panic(proc))
    yield _ask("OOMKillAllocatingTask", "vm.oom_kill_allocating_task is 0", lambda: host_habits.allocating_task(proc))
    yield _ask("CompactUnevictable", "vm.compact_unevictable_allowed is 0", lambda: host_habits.compaction(proc))
    yield _ask("OnlyOOMDaemon", "no other OOM daemon", lambda: host_habits.only_daemon(proc))
    yield _ask("Swap", "swap", lambda: host_habits.swap(proc), is_information=True)


def _bpf(sys: str) -> Iterator[Finding]:
    """What is answered from the kernel's BTF; that is read once, because it is big."""
    unreadable: Verdict | None = None
    btf = None
    try:
        btf = kernel_features.kernel_btf(sys)
    except (OSError, ValueError) as error:
        unreadable = _could_not(error)
    for feature, title, answer in (
        ("BTF", "kernel type information (BTF)", kernel_features.btf_verdict),
        ("MemcgKfuncs", "memcg kfuncs", kernel_features.memcg_kfuncs),
        ("OOMHook", "BPF OOM hook", kernel_features.oom_hook),
    ):
        yield Finding(feature, title, unreadable or answer(btf))


def _ask(feature: str, title: str, question: Callable[[], Verdict], *, is_information: bool = False) -> Finding:
    try:
        verdict = question()
    except (OSError, ValueError) as error:
        verdict = _could_not(error)
    return Finding(feature, title, verdict, is_information)


def _could_not(error: OSError | ValueError) -> Verdict:
    if isinstance(error, ValueError):
        return unknown(str(error))
    why = error.strerror or str(error)
    return unknown(f"{error.filename}: {why}" if error.filename else why)
