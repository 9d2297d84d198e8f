"""`oompolicy-guard check` on a stock kernel, where every answer is known beforehand."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lab.vm import VM

pytestmark = pytest.mark.vm

CHECK = ("python3", "-m", "oompolicy_agent.guard", "check", "--output", "json")
PANIC = "/proc/sys/vm/panic_on_oom"
SWAP = "/root/swapfile"
DAEMON = "/root/earlyoom"
TENANT = "1000"
STOCK = {
    "CgroupV2": "Yes",
    "MemoryController": "Yes",
    "PSI": "Yes",
    "CgroupKill": "Yes",
    "ProcessMrelease": "Yes",
    "BTF": "Yes",
    "MemcgKfuncs": "Yes",
    "OOMHook": "No",
    "PanicOnOOM": "Yes",
    "OOMKillAllocatingTask": "Yes",
    "CompactUnevictable": "No",
    "OnlyOOMDaemon": "Yes",
    "Swap": "No",
}
"""Debian's kernel 7.2: everything but the hook, and its default for compaction."""


def check(vm: VM, *prefix: str) -> dict[str, tuple[str, str]]:
    """Answer and message to each question."""
    document = json.loads(vm.run([*prefix, *CHECK]).stdout)
    return {one["feature"]: (one["answer"], one["message"]) for one in document["features"]}


def changed(vm: VM, *prefix: str) -> dict[str, tuple[str, str]]:
    """What is not as on a stock machine."""
    return {feature: found for feature, found in check(vm, *prefix).items() if found[0] != STOCK[feature]}


def test_every_answer_is_what_it_must_be(vm: VM) -> None:
    assert {feature: answer for feature, (answer, _) in check(vm).items()} == STOCK


def test_people_read_the_same_without_colours_and_it_succeeds(vm: VM) -> None:
    result = vm.run(CHECK[:-2])
    print(result.stdout)
    assert "memcg kfuncs: yes\nBPF OOM hook: no: The kernel has no struct bpf_oom_ops; " in result.stdout
    assert result.stdout.endswith("\nUserspace: yes\n")
    assert "\033" not in result.stdout


def test_needs_no_privileges(vm: VM) -> None:
    assert changed(vm, "setpriv", f"--reuid={TENANT}", f"--regid={TENANT}", "--clear-groups") == {}


def test_notices_another_oom_daemon(vm: VM) -> None:
    vm.run(["cp", "/bin/sleep", DAEMON])
    daemon = vm.start([DAEMON, "infinity"])
    try:
        vm.run(["sh", "-c", "until grep -qx earlyoom /proc/[0-9]*/comm 2>/dev/null; do :; done"])
        found = changed(vm)
    finally:
        daemon.kill()
        daemon.wait(60)
        vm.run(["rm", DAEMON])
    assert set(found) == {"OnlyOOMDaemon"}
    assert "earlyoom (PID " in found["OnlyOOMDaemon"][1]
    assert changed(vm) == {}


def test_does_not_say_that_there_is_no_daemon_where_it_cannot_see_them(vm: VM) -> None:
    found = changed(vm, "unshare", "--pid", "--fork", "--mount-proc")
    assert {feature: answer for feature, (answer, _) in found.items()} == {"OnlyOOMDaemon": "Unknown"}


@contextmanager
def panicking(vm: VM) -> Iterator[None]:
    """A machine that would panic, until the end."""
    before = vm.read(PANIC)
    vm.write(PANIC, "1")
    try:
        yield
    finally:
        vm.write(PANIC, before)


def test_notices_a_machine_that_would_panic(vm: VM) -> None:
    with panicking(vm):
        found = changed(vm)
    assert {feature: answer for feature, (answer, _) in found.items()} == {"PanicOnOOM": "No"}
    assert "run sysctl vm.panic_on_oom=0" in found["PanicOnOOM"][1]
    assert changed(vm) == {}


def test_says_which_swap_is_in_use(vm: VM) -> None:
    vm.run(["sh", "-c", f"dd if=/dev/zero of={SWAP} bs=1M count=8 status=none; chmod 600 {SWAP}; mkswap -q {SWAP}"])
    vm.run(["swapon", SWAP])
    try:
        found = changed(vm)
    finally:
        vm.run(["swapoff", SWAP])
        vm.run(["rm", SWAP])
    assert found == {"Swap": ("Yes", f"disk {SWAP} (7 MiB)")}
