"""What `oompolicy-guard check` asks a host: yes; no, why and what to do; or that it could not be told."""

import errno
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from btf_bytes import FUNC, STRUCT, btf
from guard_host import FakeHost
from oompolicy_agent.guard.features import Host, survey
from oompolicy_agent.guard.kernel_features import KFUNCS, process_mrelease
from oompolicy_agent.guard.verdict import Answer, Verdict

YES, NO, UNKNOWN = Answer.YES, Answer.NO, Answer.UNKNOWN
STOCK = btf(*((name, FUNC) for name in KFUNCS), ("oom_control", STRUCT))
SWAPS = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
ZRAM = "/dev/zram0                              partition\t524284\t\t0\t\t100\n"
DISK = "/swapfile                               file\t\t1048572\t\t0\t\t-2\n"

Change = Callable[[FakeHost], object]


def sysfs(host: FakeHost) -> Path:
    return host.state.parent / "sys"


def sysctl(host: FakeHost, name: str, text: str) -> None:
    (host.proc / "sys/vm" / name).write_text(text)


def btf_file(host: FakeHost) -> Path:
    return sysfs(host) / "kernel/btf/vmlinux"


def command(host: FakeHost, pid: int, name: str) -> None:
    host.process(pid)
    (host.proc / str(pid) / "comm").write_text(f"{name}\n")


def namespace(host: FakeHost, number: int) -> None:
    link = host.proc / "self/ns/pid"
    link.unlink(missing_ok=True)
    link.symlink_to(f"pid:[{number}]")


def many_cgroups_without_kill(host: FakeHost) -> None:
    for number in range(3):
        (host.memcg(f"/s{number}") / "cgroup.kill").unlink()
    (host.cgroups / "kubepods/cgroup.kill").unlink()


def daemon_seen_from_a_container(host: FakeHost) -> None:
    command(host, 77, "systemd-oomd")
    namespace(host, 4026532001)


def name_that_is_no_text(host: FakeHost) -> None:
    host.process(77)
    (host.proc / "77/comm").write_bytes(b"\xff\n")


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    """Debian's kernel 7.2 as it comes, with nothing to complain about."""
    host = FakeHost(tmp_path)
    host.memcg("/kubepods")
    (host.proc / "sys/vm").mkdir()
    for name in ("panic_on_oom", "oom_kill_allocating_task", "compact_unevictable_allowed"):
        sysctl(host, name, "0\n")
    (host.proc / "swaps").write_text(SWAPS)
    (host.proc / "self/ns").mkdir(parents=True)
    namespace(host, 4026531836)
    command(host, 1, "systemd")
    btf_file(host).parent.mkdir(parents=True)
    btf_file(host).write_bytes(STOCK)
    return host


def verdicts(host: FakeHost) -> dict[str, Verdict]:
    found = survey(Host(str(host.cgroups), str(host.proc), str(sysfs(host))))
    return {finding.feature: finding.verdict for finding in found}


def test_a_stock_kernel_has_everything_but_the_hook_and_swap(host: FakeHost) -> None:
    answers = {feature: verdict.answer for feature, verdict in verdicts(host).items()}
    assert {feature for feature, answer in answers.items() if answer is NO} == {"OOMHook", "Swap"}
    assert UNKNOWN not in answers.values()


@pytest.mark.parametrize(
    ("feature", "change", "answer", "message"),
    [
        pytest.param(
            "CgroupV2",
            lambda host: (host.cgroups / "cgroup.controllers").unlink(),
            NO,
            "systemd.unified_cgroup_hierarchy=1",
            id="cgroup-v1",
        ),
        pytest.param(
            "CgroupKill",
            lambda host: (host.cgroups / "cgroup.controllers").unlink(),
            NO,
            "part of cgroup v2",
            id="cgroup-v1-has-no-kill",
        ),
        pytest.param(
            "MemoryController",
            lambda host: (host.cgroups / "cgroup.controllers").write_text("cpu pids\n"),
            NO,
            "without cgroup_disable=memory",
            id="no-memory-controller",
        ),
        pytest.param("PSI", lambda host: (host.proc / "pressure/memory").unlink(), NO, "boot with psi=1", id="no-psi"),
        pytest.param("CgroupKill", many_cgroups_without_kill, NO, "use a newer kernel", id="no-cgroup-kill"),
        pytest.param("BTF", lambda host: btf_file(host).unlink(), NO, "CONFIG_DEBUG_INFO_BTF", id="no-btf"),
        pytest.param("MemcgKfuncs", lambda host: btf_file(host).unlink(), NO, "see above", id="no-btf-no-kfuncs"),
        pytest.param("OOMHook", lambda host: btf_file(host).unlink(), NO, "see above", id="no-btf-no-hook"),
        pytest.param(
            "MemcgKfuncs",
            lambda host: btf_file(host).write_bytes(btf(*((name, FUNC) for name in KFUNCS[:-1]))),
            NO,
            f"no {KFUNCS[-1]}; use a newer one",
            id="one-kfunc-missing",
        ),
        pytest.param(
            "OOMHook",
            lambda host: btf_file(host).write_bytes(btf(("bpf_oom_ops", STRUCT))),
            YES,
            "",
            id="a-patched-kernel",
        ),
        pytest.param(
            "PanicOnOOM",
            lambda host: sysctl(host, "panic_on_oom", "2\n"),
            NO,
            "It is 2: where the kernel must kill, the whole node goes down; run sysctl vm.panic_on_oom=0",
            id="panics",
        ),
        pytest.param(
            "OOMKillAllocatingTask",
            lambda host: sysctl(host, "oom_kill_allocating_task", "1\n"),
            NO,
            "run sysctl vm.oom_kill_allocating_task=0",
            id="kills-whoever-asks",
        ),
        pytest.param(
            "CompactUnevictable",
            lambda host: sysctl(host, "compact_unevictable_allowed", "1\n"),
            NO,
            "run sysctl vm.compact_unevictable_allowed=0",
            id="moves-locked-pages",
        ),
        pytest.param(
            "CompactUnevictable",
            lambda host: (host.proc / "sys/vm/compact_unevictable_allowed").unlink(),
            YES,
            "no compaction",
            id="no-compaction",
        ),
        pytest.param(
            "Swap",
            lambda host: (host.proc / "swaps").write_text(SWAPS + ZRAM + DISK),
            YES,
            "zram /dev/zram0 (511 MiB), disk /swapfile (1023 MiB)",
            id="zram-and-disk",
        ),
        pytest.param("Swap", lambda host: (host.proc / "swaps").unlink(), NO, "none", id="a-kernel-without-swap"),
        pytest.param(
            "OnlyOOMDaemon",
            lambda host: command(host, 77, "earlyoom"),
            NO,
            "earlyoom (PID 77); run systemctl disable --now earlyoom",
            id="earlyoom",
        ),
        pytest.param(
            "OnlyOOMDaemon",
            daemon_seen_from_a_container,
            NO,
            "systemd-oomd (PID 77)",
            id="seen-from-a-container-too",
        ),
        pytest.param("OnlyOOMDaemon", lambda host: command(host, 77, "earlyoomx"), YES, "", id="a-name-like-earlyoom"),
        pytest.param("OnlyOOMDaemon", lambda host: host.process(78), YES, "", id="a-process-that-has-gone"),
        pytest.param(
            "OnlyOOMDaemon",
            name_that_is_no_text,
            YES,
            "",
            id="a-name-that-is-no-text",
        ),
    ],
)
def test_says_yes_or_no_and_what_to_do(
    host: FakeHost, feature: str, change: Change, answer: Answer, message: str
) -> None:
    change(host)
    verdict = verdicts(host)[feature]
    assert verdict.answer is answer
    assert message in verdict.message


@pytest.mark.parametrize(
    ("feature", "change", "message"),
    [
        pytest.param(
            "CgroupV2",
            lambda host: (
                (host.cgroups / "cgroup.controllers").unlink(),
                (host.cgroups / "cgroup.controllers").mkdir(),
            ),
            "Is a directory",
            id="the-read-fails",
        ),
        pytest.param(
            "CgroupKill",
            lambda host: (host.cgroups / "kubepods").rename(host.root / "x"),
            "no cgroup below",
            id="empty",
        ),
        pytest.param("BTF", lambda host: sysfs(host).rename(host.root / "sys"), "kernel: No such file", id="no-sysfs"),
        pytest.param("BTF", lambda host: btf_file(host).write_bytes(b"?"), "expected BTF", id="no-btf-in-the-file"),
        pytest.param(
            "MemcgKfuncs", lambda host: btf_file(host).write_bytes(b"?"), "expected BTF", id="kfuncs-of-a-bad-file"
        ),
        pytest.param("OOMHook", lambda host: btf_file(host).write_bytes(b"?"), "expected BTF", id="hook-of-a-bad-file"),
        pytest.param(
            "PanicOnOOM",
            lambda host: (host.proc / "sys/vm/panic_on_oom").unlink(),
            "panic_on_oom: No such file",
            id="no-such-setting",
        ),
        pytest.param("PanicOnOOM", lambda host: sysctl(host, "panic_on_oom", "maybe\n"), "'maybe", id="no-number"),
        pytest.param(
            "CompactUnevictable",
            lambda host: (host.proc / "sys/vm").rename(host.root / "vm"),
            "sys/vm: No such file",
            id="no-settings-at-all",
        ),
        pytest.param(
            "Swap", lambda host: host.proc.rename(host.root / "proc"), "meminfo: No such file", id="no-procfs"
        ),
        pytest.param(
            "Swap", lambda host: (host.proc / "swaps").write_text(SWAPS + "?\n"), "expected a line", id="no-swap-area"
        ),
        pytest.param("OnlyOOMDaemon", lambda host: namespace(host, 4026532001), "hostPID", id="in-a-container"),
        pytest.param("OnlyOOMDaemon", lambda host: (host.proc / "1/comm").unlink(), "run this as root", id="hidepid"),
        pytest.param(
            "OnlyOOMDaemon",
            lambda host: (host.proc / "self/ns/pid").unlink(),
            "self/ns/pid: No such file",
            id="no-namespace",
        ),
    ],
)
def test_what_the_host_does_not_say_is_neither_yes_nor_no(
    host: FakeHost, feature: str, change: Change, message: str
) -> None:
    change(host)
    verdict = verdicts(host)[feature]
    assert verdict.answer is UNKNOWN
    assert message in verdict.message


def test_one_unanswered_question_leaves_the_others_alone(host: FakeHost) -> None:
    before = verdicts(host)
    btf_file(host).write_bytes(b"?")
    after = verdicts(host)
    assert {feature for feature in after if after[feature] != before[feature]} == {"BTF", "MemcgKfuncs", "OOMHook"}


def test_names_only_so_many_daemons(host: FakeHost) -> None:
    for pid in range(100, 106):
        command(host, pid, "nohang")
    assert verdicts(host)["OnlyOOMDaemon"].message.count("PID") == 4


def test_stops_counting_processes_somewhere(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oompolicy_agent.guard.host_habits.MOST_PROCESSES", 3)
    for pid in range(100, 110):
        command(host, pid, "app")
    verdict = verdicts(host)["OnlyOOMDaemon"]
    assert (verdict.answer, verdict.message) == (UNKNOWN, "expected at most 3 processes, found more")


def test_btf_that_is_too_big_is_not_read(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oompolicy_agent.guard.kernel_features.LARGEST_BTF", len(STOCK) - 1)
    assert verdicts(host)["BTF"].answer is UNKNOWN


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        pytest.param(errno.EBADF, YES, id="the-pidfd-is-refused"),
        pytest.param(errno.ENOSYS, NO, id="no-such-call"),
        pytest.param(errno.EPERM, UNKNOWN, id="a-seccomp-filter"),
    ],
)
def test_process_mrelease_is_tried_with_a_pidfd_that_cannot_be(code: int, answer: Answer) -> None:
    assert process_mrelease(lambda: code).answer is answer


def test_the_guard_itself_has_none_of_this_in_memory() -> None:
    program = "import sys, oompolicy_agent.guard.__main__; print(*sorted(sys.modules), sep='\\n')"
    modules = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    loaded = {name.removeprefix("oompolicy_agent.guard.") for name in modules.split()}
    assert "support" in loaded
    assert loaded.isdisjoint({"btf", "check", "features", "host_habits", "kernel_features", "verdict"})
