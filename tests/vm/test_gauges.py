"""What the guard measures beside what the kernel really does: page cache under memory.min, swap to zram and a disk."""

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from guard_scene import CGROUPS
from lab.vm import VM

pytestmark = pytest.mark.vm

Boot = Callable[..., AbstractContextManager[VM]]

MIB = 1 << 20
CACHE = 120
"""MiB of a file that is read into the page cache."""
LARGE_CACHE = 400
SWAPPED = 96
"""MiB that are swapped out."""
DEVICE = 400
"""MiB of swap space."""
FILE = "/var/cached"

LOOK = """
import json, sys, time
from dataclasses import asdict
from oompolicy_agent.guard.gauges import Gauges
from oompolicy_agent.guard.memcgs import CgroupFS
from oompolicy_agent.guard.settings import Limits

top, may_swap, looks = sys.argv[1] or None, int(sys.argv[2]), int(sys.argv[3])
gauges = Gauges(CgroupFS("/sys/fs/cgroup"), "/proc", Limits(), lambda *_: 0)
reading = gauges.read(top, lambda: may_swap)
start = time.perf_counter()
for _ in range(looks):
    gauges.read(top, lambda: may_swap)
took = (time.perf_counter() - start) / max(1, looks)
print(json.dumps(asdict(reading) | {"available": gauges.meminfo().available, "microseconds": round(took * 1e6)}))
"""

CACHE_FILE = """
import os, sys
path, size = sys.argv[1], int(sys.argv[2]) << 20
with open(path, "wb") as file:
    for _ in range(size >> 20):
        file.write(os.urandom(1 << 20))
    os.fsync(file.fileno())
    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
with open("/sys/fs/cgroup" + sys.argv[3] + "/cgroup.procs", "w") as procs:
    procs.write("0")
with open(path, "rb") as file:
    while file.read(1 << 20):
        pass
"""

STALL = """
import json, subprocess, sys
from oompolicy_agent.guard.gauges import Gauges
from oompolicy_agent.guard.memcgs import CgroupFS
from oompolicy_agent.guard.settings import Limits

CHARGE = "echo 0 > /sys/fs/cgroup/kubepods/pod1/cgroup.procs && cat " + sys.argv[1] + " > /dev/null"
gauges = Gauges(CgroupFS("/sys/fs/cgroup"), "/proc", Limits(window_milliseconds=60_000), lambda *_: 100)
gauges.read("/kubepods", lambda: 0)
subprocess.run(["sh", "-c", CHARGE], check=True)
reading = gauges.read("/kubepods", lambda: 0)
print(json.dumps([reading.node.stall_milliseconds, reading.pods.stall_milliseconds]))
"""

REMAKE = """
import os
from oompolicy_agent.guard.kept import Kept

kept, folder = Kept(4), "/sys/fs/cgroup/again"
answers = []
for limit in ("1048576", "2097152"):
    os.mkdir(folder)
    with open(f"{folder}/memory.max", "w") as file:
        file.write(limit)
    answers += [kept.read(f"{folder}/memory.max"), kept.read(f"{folder}/memory.max")]
    os.rmdir(folder)
print(answers, kept.read(f"{folder}/memory.max"))
"""

WATCH = """
import ctypes, json
from oompolicy_agent.guard.gauges import Gauges
from oompolicy_agent.guard.memcgs import CgroupFS
from oompolicy_agent.guard.settings import Limits

ctypes.CDLL(None).mlockall(3)
gauges = Gauges(CgroupFS("/sys/fs/cgroup"), "/proc", Limits(), lambda *_: 0)
kills, last = gauges.read(None, lambda: 0).kernel_kills, None
print("watching", flush=True)
while (reading := gauges.read(None, lambda: 0)).kernel_kills == kills:
    last = {"margin": reading.node.margin, "available": gauges.meminfo().available}
print(json.dumps(last))
"""

TAKE_ALL = """
import mmap

with open("/proc/self/oom_score_adj", "w") as file:
    file.write("1000")
held = []
while True:
    held.append(mmap.mmap(-1, 1 << 23, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
    held[-1][::4096] = b"x" * 2048
"""

RECLAIM = """
import os, sys
try:
    os.write(os.open(f"/sys/fs/cgroup{sys.argv[1]}/memory.reclaim", os.O_WRONLY), sys.argv[2].encode())
except BlockingIOError:
    print("not so much")
"""
"""Asks for more than there is, so that everything is taken that may be; the kernel then says that it was not enough."""

HOLD = """
import mmap, os, sys, time
kind, size = sys.argv[1], int(sys.argv[2]) << 20
with open("/sys/fs/cgroup/pod/cgroup.procs", "w") as procs:
    procs.write("0")
memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for start in range(0, size, 4096):
    memory[start : start + 4096] = os.urandom(4096) if kind == "incompressible" else b"%016d" % start * 256
print("holding", flush=True)
time.sleep(100000)
"""


def look(vm: VM, top: str = "", *, may_swap: int = 0, looks: int = 0) -> dict[str, Any]:
    """What new gauges read in the machine."""
    reading: dict[str, Any] = json.loads(vm.python(LOOK, top, str(may_swap), str(looks)).stdout)
    return reading


def stat(vm: VM, path: str, name: str) -> int:
    """One counter of a memcg's memory.stat."""
    lines = vm.read(f"{CGROUPS}{path}/memory.stat").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name} "))


def cache(vm: VM, path: str) -> int:
    """The page cache of a memcg, in bytes."""
    return stat(vm, path, "active_file") + stat(vm, path, "inactive_file")


@pytest.fixture
def memcgs(vm: VM) -> Iterator[None]:
    """`/held` with a cached file and nobody in it, and `/kubepods` with a limit and a child that holds another."""
    vm.run(["mkdir", "-p", f"{CGROUPS}/held", f"{CGROUPS}/kubepods/pod1"])
    vm.write(f"{CGROUPS}/kubepods/cgroup.subtree_control", "+memory")
    vm.write(f"{CGROUPS}/kubepods/memory.max", str(400 * MIB))
    vm.write(f"{CGROUPS}/kubepods/pod1/memory.min", str(300 * MIB))
    for path in ("/held", "/kubepods/pod1"):
        vm.python(CACHE_FILE, f"{FILE}{path.replace('/', '-')}", str(CACHE), path)
    yield
    vm.run(["sh", "-c", f"rm -f {FILE}-*; rmdir {CGROUPS}/held {CGROUPS}/kubepods/pod1 {CGROUPS}/kubepods"])


def test_the_kernel_runs_out_of_memory_with_page_cache_under_memory_min_that_it_calls_available(boot: Boot) -> None:
    """To the guard the margin is gone by then, and it would have acted.

    Root's memory.reclaim does not show it: where MGLRU is on, a new minimum takes effect when kswapd runs (Linux 7.2).
    """
    with boot() as vm:
        vm.run(["mkdir", f"{CGROUPS}/held"])
        vm.python(CACHE_FILE, FILE, str(LARGE_CACHE), "/held")
        before = look(vm)
        assert before["node"]["margin"] == before["available"] > LARGE_CACHE * MIB
        vm.write(f"{CGROUPS}/held/memory.min", str(2 * LARGE_CACHE * MIB))
        watcher = vm.start(["python3", "-c", WATCH])
        watcher.wait_for("watching", 60)
        hog = vm.run(["python3", "-c", TAKE_ALL], check=False, timeout=120)
        assert hog.returncode == -signal.SIGKILL
        last = json.loads(watcher.wait(60).stdout.splitlines()[-1])
        print({name: f"{size / MIB:.0f} MiB" for name, size in last.items()})
        assert cache(vm, "/held") > 0.9 * LARGE_CACHE * MIB
        assert last["margin"] < 20 * MIB
        assert last["available"] > LARGE_CACHE // 2 * MIB


@pytest.mark.usefixtures("memcgs")
def test_page_cache_that_one_pod_keeps_is_no_margin_below_the_pods_limit(vm: VM) -> None:
    reading = look(vm, "/kubepods")
    room = 400 * MIB - int(vm.read(f"{CGROUPS}/kubepods/memory.current"))
    assert cache(vm, "/kubepods") >= CACHE * MIB
    assert reading["pods"]["margin"] == pytest.approx(room, abs=2 * MIB)
    assert reading["node"]["margin"] == reading["available"], "kubepods itself asks for nothing"
    vm.python(RECLAIM, "/kubepods", "400M")
    assert cache(vm, "/kubepods/pod1") >= CACHE * MIB

    vm.write(f"{CGROUPS}/kubepods/pod1/memory.min", str(CACHE // 2 * MIB))
    promised = look(vm, "/kubepods")["pods"]["margin"] - room
    vm.python(RECLAIM, "/kubepods", "400M")
    taken = CACHE * MIB - cache(vm, "/kubepods/pod1")
    print(f"promised {promised / MIB:.1f} MiB, reclaim took {taken / MIB:.1f} MiB")
    assert promised == pytest.approx(CACHE // 2 * MIB, abs=4 * MIB)
    assert taken == pytest.approx(promised, abs=8 * MIB)


@pytest.mark.usefixtures("memcgs")
@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        pytest.param("/kubepods/pod1/memory.max", [0, 0], id="a-pod-at-its-own-limit"),
        pytest.param("/kubepods/memory.high", [0, 0], id="pods-throttled-at-memory.high"),
        pytest.param("/kubepods/memory.max", [0, 100], id="pods-at-their-limit"),
    ],
)
def test_a_stall_counts_only_where_the_limit_was_met(vm: VM, setting: str, expected: list[int]) -> None:
    """S24, on a machine that has memory enough: a file that is read twice as large as the limit."""
    vm.write(f"{CGROUPS}/kubepods/pod1/memory.min", "0")
    vm.python(RECLAIM, "/kubepods", "400M")
    vm.write(f"{CGROUPS}{setting}", str(CACHE // 2 * MIB))
    vm.run(["sh", "-c", "echo 1 > /proc/sys/vm/drop_caches"])
    assert json.loads(vm.python(STALL, f"{FILE}-held").stdout) == expected


def test_a_kept_descriptor_follows_a_memcg_that_is_made_anew(vm: VM) -> None:
    assert vm.python(REMAKE).stdout == "['1048576\\n', '1048576\\n', '2097152\\n', '2097152\\n'] None\n"


@pytest.mark.usefixtures("memcgs")
def test_a_look_is_cheap(vm: VM) -> None:
    """Microseconds on emulated CPUs, where everything takes ten times as long or more."""
    figures = {
        "node": look(vm, looks=500)["microseconds"],
        "with /kubepods": look(vm, "/kubepods", looks=500)["microseconds"],
    }
    print("microseconds a look:", figures)
    assert max(figures.values()) < 20_000


def test_swap_to_zram_counts_as_far_as_it_really_compresses(boot: Boot) -> None:
    with boot(memory_mib=1024) as vm:
        vm.run(["modprobe", "zram", "num_devices=0"])
        given = {}
        for kind in ("compressible", "incompressible"):
            number = vm.read("/sys/class/zram-control/hot_add").strip()
            vm.write(f"/sys/block/zram{number}/disksize", f"{DEVICE}M")
            vm.run(["mkswap", f"/dev/zram{number}"])
            vm.run(["swapon", "-p", "100", f"/dev/zram{number}"])
            empty = look(vm, may_swap=10_000 * MIB)
            assert empty["node"]["swap"] == pytest.approx(0.9 * DEVICE / 2 * MIB, rel=0.01), "nothing to tell from yet"
            given[kind] = swapped_out(vm, kind)
            print(f"{kind}: {given[kind] / MIB:.0f} MiB more")
            vm.run(["swapoff", f"/dev/zram{number}"])
            vm.write("/sys/class/zram-control/hot_remove", number)
    free = 0.9 * DEVICE * MIB - SWAPPED * MIB
    assert given["compressible"] > 0.8 * free
    assert given["incompressible"] < 0.1 * free


def test_swap_to_a_disk_counts_in_full_above_the_reserve(boot: Boot) -> None:
    with boot(swap_mib=DEVICE) as vm:
        assert look(vm, may_swap=10_000 * MIB)["node"]["swap"] == pytest.approx(0.9 * DEVICE * MIB, rel=0.01)
        assert look(vm, may_swap=50 * MIB)["node"]["swap"] == 50 * MIB
        assert swapped_out(vm, "incompressible") == pytest.approx((0.9 * DEVICE - SWAPPED) * MIB, abs=8 * MIB)


def swapped_out(vm: VM, kind: str) -> int:
    """How much more swapping would give, while so much of that kind has been swapped out."""
    vm.run(["mkdir", "-p", f"{CGROUPS}/pod"])
    holder = vm.start(["python3", "-c", HOLD, kind, str(SWAPPED)])
    holder.wait_for("holding", 120)
    vm.python(RECLAIM, "/pod", f"{2 * SWAPPED}M swappiness=200", timeout=120)
    assert int(vm.read(f"{CGROUPS}/pod/memory.swap.current")) > 0.9 * SWAPPED * MIB
    given = int(look(vm, may_swap=10_000 * MIB)["node"]["swap"])
    holder.kill()
    holder.wait(60)
    vm.run(["rmdir", f"{CGROUPS}/pod"])
    return given
