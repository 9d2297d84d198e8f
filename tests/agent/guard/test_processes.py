"""What procfs tells of single processes, on files and on real processes."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from oompolicy_agent.guard.processes import is_exempt, is_killed, largest, name_of, namespace_inits


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "infinity"]) as process:
        yield process
        process.kill()


def process(proc: Path, pid: int, *, rss: int = 0, swap: int = 0, pids: str = "", pending: str = "0") -> None:
    """Writes what the kernel says of a process; sizes in KiB."""
    (proc / str(pid)).mkdir()
    lines = [f"Name:\tjob{pid}", f"NSpid:\t{pid}{pids}", f"VmRSS:\t{rss:8} kB", f"VmSwap:\t{swap:8} kB"]
    lines += ["SigPnd:\t0000000000000000", f"ShdPnd:\t{pending:0>16}"]
    (proc / str(pid) / "status").write_text("\n".join(lines) + "\n")
    (proc / str(pid) / "comm").write_text(f"job{pid}\n")


def test_the_largest_by_memory_and_swap(proc: Path) -> None:
    process(proc, 4_000_001, rss=300)
    process(proc, 4_000_002, rss=100, swap=250)
    assert largest(str(proc), [4_000_001, 4_000_002]) == ((4_000_002,), 350 * 1024)


def test_of_nobody_there_is_no_largest(proc: Path) -> None:
    assert largest(str(proc), []) == ((), 0)


def test_who_has_an_address_space_of_its_own_does_not_die_with_the_largest(sleeper: subprocess.Popen[bytes]) -> None:
    pids, held = largest("/proc", [os.getpid(), sleeper.pid])
    assert pids == (os.getpid(),)
    assert held > 0


def test_the_kernel_is_asked_who_shares_memory(sleeper: subprocess.Popen[bytes]) -> None:
    program = (
        "import ctypes, os, sys\n"
        "from oompolicy_agent.guard.syscalls import share_memory\n"
        "pid = os.getpid()\n"
        "print(share_memory(pid, pid), share_memory(pid, int(sys.argv[1])))\n"
    )
    found = subprocess.run(
        ["python3", "-c", program, str(sleeper.pid)],
        env={**os.environ, "PYTHONPATH": "agent"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.split() == ["True", "False"]


@pytest.mark.parametrize(
    ("pending", "killed"),
    [
        pytest.param("100", True, id="sigkill"),
        pytest.param("4000", False, id="sigterm"),
        pytest.param("0", False, id="no"),
    ],
)
def test_who_has_sigkill_pending_only_has_to_go(proc: Path, pending: str, killed: bool) -> None:
    process(proc, 7, pending=pending)
    assert is_killed(str(proc), 7) == killed


def test_who_is_gone_was_not_killed(proc: Path) -> None:
    assert not is_killed(str(proc), 7)


def test_the_first_process_of_the_machine_is_exempt(proc: Path) -> None:
    assert is_exempt(str(proc), 1)


def test_who_is_gone_is_not_exempt(proc: Path) -> None:
    assert not is_exempt(str(proc), 7)


def test_finds_the_init_of_a_container(proc: Path) -> None:
    process(proc, 70, pids="\t1")
    process(proc, 71, pids="\t12")
    assert namespace_inits(str(proc), [70, 71]) == [70]


def test_without_a_namespace_of_its_own_everybody_is_asked(proc: Path) -> None:
    process(proc, 70)
    process(proc, 71)
    assert namespace_inits(str(proc), [70, 71]) == [70, 71]


def test_names_it_as_the_kernel_does(proc: Path) -> None:
    process(proc, 70)
    assert name_of(str(proc), 70) == "job70[70]"
