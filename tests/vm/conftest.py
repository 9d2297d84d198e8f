"""Machines for the tests in this folder: one that they share, and fresh ones on demand."""

import subprocess
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from functools import partial

import pytest

from lab.guest_process import GuestLostError
from lab.vm import VM, boot_vm
from proofs import WHOLE

collect_ignore = [] if WHOLE else ["test_replicas.py"]
"""It holds 25 replicas that grow together to times, so it needs a machine with nothing else on it."""

STATE = """
grep -H . /sys/fs/cgroup/kubepods/memory.current /sys/fs/cgroup/kubepods/memory.max /proc/meminfo /proc/loadavg
for task in /proc/[0-9]*/task/*; do
    command=$(tr '\\0' ' ' < "$task/../../cmdline" | tail -c 120)
    [ -n "$command" ] || continue
    echo "$task $command"
    grep -E '^(State|VmRSS|SigPnd|.*ctxt_switches)' "$task/status"
    cat "$task/schedstat" "$task/stack"
done
"""
"""Prints what each task of the machine does, in the kernel's own words."""

Boot = Callable[..., AbstractContextManager[VM]]


@pytest.fixture(scope="session")
def vm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VM]:
    """One machine for the session: 1 GiB, no swap, cgroup v2. A test leaves it as it found it."""
    with boot_vm(folder=tmp_path_factory.mktemp("vm")) as machine:
        yield machine


@pytest.fixture
def boot(tmp_path_factory: pytest.TempPathFactory) -> Boot:
    """Boots a fresh machine; the options are those of lab.vm.boot_vm."""
    return partial(boot_vm, folder=tmp_path_factory.mktemp("vm"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds what the shared machine was doing when a test failed in it."""
    report = yield
    machine = getattr(item, "funcargs", {}).get("vm")
    if call.when == "call" and report.failed and machine:
        report.sections.append(("The machine at the failure", _state_of(machine)))
    return report


def _state_of(machine: VM) -> str:
    """What can be had in a minute: a machine that thrashes, or is gone, must not end the run."""
    process = machine.start(["sh", "-c", STATE])
    try:
        process.wait(60)
    except (subprocess.TimeoutExpired, GuestLostError) as error:
        process.kill()
        return f"{process.stdout}\n{error}"
    return process.stdout + process.stderr
