"""The machine that the tests here stand on is what they take it for."""

import signal
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from lab.guest_process import CommandFailedError, GuestLostError
from lab.vm import VM

pytestmark = pytest.mark.vm

Boot = Callable[..., AbstractContextManager[VM]]

MEMINFO_KIB = "print({l.split(':')[0]: int(l.split()[1]) for l in open('/proc/meminfo')}['%s'])"


def test_has_cgroup_v2_with_the_controllers_that_a_node_needs(vm: VM) -> None:
    assert {"memory", "pids", "cpu"} <= set(vm.read("/sys/fs/cgroup/cgroup.subtree_control").split())


def test_measures_pressure(vm: VM) -> None:
    assert vm.read("/proc/pressure/memory").startswith("some avg10=")


def test_has_a_gibibyte_and_no_swap(vm: VM) -> None:
    assert 900 << 10 < int(vm.python(MEMINFO_KIB % "MemTotal").stdout) <= 1024 << 10
    assert int(vm.python(MEMINFO_KIB % "SwapTotal").stdout) == 0


def test_runs_the_agents_code(vm: VM) -> None:
    assert vm.python("import oompolicy_agent; print(oompolicy_agent.__file__)").stdout.startswith("/project/agent/")


def test_hands_back_output_and_exit_code(vm: VM) -> None:
    result = vm.run(["sh", "-c", "echo to stdout; echo to stderr >&2; exit 3"], check=False)
    assert (result.returncode, result.stdout, result.stderr) == (3, "to stdout\n", "to stderr\n")


def test_hands_back_all_of_a_large_output(vm: VM) -> None:
    assert len(vm.python("print('x' * 3_000_000)").stdout) == 3_000_001


def test_many_commands_at_once_each_hand_back_their_own(vm: VM) -> None:
    processes = [vm.start(["sh", "-c", f"echo {number}; echo {-number} >&2; exit {number}"]) for number in range(60)]
    for number, process in enumerate(processes):
        result = process.wait(timeout=60)
        assert (result.returncode, result.stdout, result.stderr) == (number, f"{number}\n", f"{-number}\n")


def test_raises_with_what_a_failed_command_said(vm: VM) -> None:
    with pytest.raises(CommandFailedError, match="No such file"):
        vm.run(["cat", "/nowhere"])


def test_reports_a_command_that_does_not_exist(vm: VM) -> None:
    result = vm.run(["no-such-program"], check=False)
    assert result.returncode == 127
    assert "no-such-program" in result.stderr


def test_ends_a_command_that_hangs_at_its_timeout(vm: VM) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        vm.run(["sh", "-c", "echo $$ > /run/hanging; sleep 31536000 & wait"], timeout=1)
    vm.python(
        "import os, pathlib\nwhile os.path.exists('/proc/' + pathlib.Path('/run/hanging').read_text().strip()): pass"
    )


def test_python_that_hangs_says_where(vm: VM) -> None:
    with pytest.raises(subprocess.TimeoutExpired) as raised:
        vm.python("import time\n\ndef stuck():\n    time.sleep(31536000)\n\nstuck()", timeout=5)
    assert "line 4 in stuck" in "".join(raised.value.__notes__)


def test_a_signal_reaches_a_running_command(vm: VM) -> None:
    process = vm.start(["sh", "-c", "trap 'echo caught; exit 7' USR1; echo ready; while :; do sleep 0.1; done"])
    process.wait_for("ready", timeout=30)
    process.signal(signal.SIGUSR1)
    assert process.wait(timeout=30).returncode == 7
    assert "caught" in process.stdout


def test_takes_a_file_of_the_host(vm: VM, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import sys; print(sys.argv[1])")
    assert vm.python(script, "argument").stdout == "argument\n"


def test_out_of_memory_in_a_cgroup_is_on_the_console(vm: VM) -> None:
    vm.run(["mkdir", "/sys/fs/cgroup/small"])
    vm.write("/sys/fs/cgroup/small/memory.max", "16M")
    hog = vm.run(["sh", "-c", "echo $$ > /sys/fs/cgroup/small/cgroup.procs; exec tail /dev/zero"], check=False)
    vm.run(["rmdir", "/sys/fs/cgroup/small"])
    assert hog.returncode == -signal.SIGKILL
    assert "Memory cgroup out of memory: Killed process" in vm.console()


def test_can_have_other_memory_and_swap(boot: Boot) -> None:
    with boot(memory_mib=512, swap_mib=256) as vm:
        assert int(vm.python(MEMINFO_KIB % "MemTotal").stdout) <= 512 << 10
        assert 255 << 10 <= int(vm.python(MEMINFO_KIB % "SwapTotal").stdout) <= 256 << 10


def test_can_be_a_node_without_pressure_information(boot: Boot) -> None:
    with boot(cmdline="psi=0") as vm:
        assert vm.run(["cat", "/proc/pressure/memory"], check=False).returncode != 0


def test_can_be_a_node_without_the_memory_controller(boot: Boot) -> None:
    with boot(cmdline="cgroup_disable=memory") as vm:
        assert "memory" not in vm.read("/sys/fs/cgroup/cgroup.controllers").split()


def test_can_be_a_node_with_cgroup_v1(boot: Boot) -> None:
    with boot(cmdline="oompolicy.cgroup=v1") as vm:
        assert vm.run(["test", "-e", "/sys/fs/cgroup/cgroup.controllers"], check=False).returncode != 0
        assert "/sys/fs/cgroup/pids cgroup rw" in vm.read("/proc/mounts")


def test_says_what_the_console_said_when_the_machine_is_lost(boot: Boot) -> None:
    with boot() as vm, pytest.raises(GuestLostError, match="sysrq: Trigger a crash"):
        vm.write("/proc/sysrq-trigger", "c")
