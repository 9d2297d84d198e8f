"""Shortage, not pressure: reclaim that is somebody's own affair kills nobody, however long it lasts and hard it is.

In each scene the guard must decide nothing for a while, a minute in `make bench`. That it could have is shown at its
end: memory runs out in earnest, with the same guard, and the right one dies.
"""

import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from guard_scene import CGROUPS, GENEROUS, Pod, Scene
from lab.guest_process import GuestProcess
from lab.vm import VM
from proofs import WHOLE

pytestmark = pytest.mark.vm

SECONDS = 60 if WHOLE else 15
CRITICAL = Pod("crit", priority=900, qos="burstable", oom_score_adj=600, request_mebibytes=300)
BUSY = Pod("busy", priority=50, qos="burstable", oom_score_adj=900)
BATCH = Pod("batch", priority=10, oom_score_adj=-997, request_mebibytes=150)
HOG = Pod("hog", priority=100, qos="besteffort", oom_score_adj=1000)
LIMIT_MIB = 64
HIGH_LIMIT_MIB = 16
FILES, FILE_MIB = 4, 32
HUGE_FILE_MIB = 1200
"""More than the machine has."""
FILE = "/root/big"
HIGH, OFTEN = 0.1, SECONDS // 12
PRESSURE_ALONE = """
import os, select
trigger = os.open("/proc/pressure/memory", os.O_RDWR | os.O_NONBLOCK)
os.write(trigger, b"full 100000 1000000\\0")
poll = select.poll()
poll.register(trigger, select.POLLPRI)
print("watching", flush=True)
while poll.poll():
    print("high", flush=True)
"""
"""Says each time when a killer that goes by the pressure of the root alone would act; with the guard's own numbers."""
MIB = 1 << 20


@pytest.fixture
def scene(vm: VM) -> Iterator[Scene]:
    scene = Scene(vm)
    scene.build(CRITICAL, BUSY, BATCH, HOG)
    scene.tell()
    yield scene
    scene.clear()
    vm.run(["sh", "-c", f"rm -f {FILE}*"])


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen in it."""

    available: list[int]
    """MiB, about every second."""
    alarms: int
    """How often pressure alone would have been reason enough."""
    pod_full: float
    """The share of it in which the whole pod was in full stall."""


def thrash(scene: Scene) -> None:
    """The pod walks for ever over mapped files that are twice as large as its own limit."""
    scene.vm.write(f"{CGROUPS}{BUSY.path}/memory.max", str(LIMIT_MIB * MIB))
    for number in range(FILES):
        scene.work(BUSY, "map", "--file", f"{FILE}{number}", "--mebibytes", str(FILE_MIB))
    scene.wait_until("it reads again what it lost", lambda: refaults(scene) > LIMIT_MIB * MIB // 4096)


def throttle(scene: Scene) -> None:
    """The pod wants ever more and is made to wait at its own memory.high, up to two seconds for each 40 KiB."""
    scene.vm.write(f"{CGROUPS}{BUSY.path}/memory.high", str(HIGH_LIMIT_MIB * MIB))
    scene.grow(BUSY, 2)
    scene.wait_until("it waits", lambda: throttled(scene) > 10)


def throttled(scene: Scene) -> int:
    """How often the pod was made to wait."""
    return scene.counter(f"{CGROUPS}{BUSY.path}/memory.events", "high")


def refaults(scene: Scene) -> int:
    """Pages of the pod that had to be read again because they had been reclaimed."""
    return scene.counter(f"{CGROUPS}{BUSY.path}/memory.stat", "workingset_refault_file")


def test_a_pod_that_reclaims_against_its_own_limit_is_no_shortage_of_the_node(scene: Scene) -> None:
    """S24: the pressure of the root is high, and plenty is available."""
    batch = prepare(scene)
    thrash(scene)
    seen = look_on(scene)
    assert seen.alarms >= OFTEN
    assert min(seen.available) > 2 * threshold_mib(scene)
    assert_a_real_shortage_kills(scene, batch)


def test_reading_a_file_larger_than_memory_over_and_over_is_no_shortage(scene: Scene) -> None:
    batch = prepare(scene)
    reader = scene.work(BUSY, "read", "--file", FILE, "--mebibytes", str(HUGE_FILE_MIB))
    reader.wait_for("round 1", GENEROUS)
    scanned = pages_scanned(scene)
    look_on(scene)
    reader.wait_for("round 3", GENEROUS)
    assert pages_scanned(scene) - scanned > HUGE_FILE_MIB * MIB // 4096, "the node had to make room for the file"
    assert_a_real_shortage_kills(scene, batch)


@pytest.mark.parametrize(
    ("reclaim", "count"),
    [
        pytest.param(thrash, refaults, id="a-pod-thrashes-at-its-own-limit"),
        pytest.param(throttle, throttled, id="a-pod-is-throttled-at-its-memory.high"),
    ],
)
def test_pressure_of_a_pods_own_kills_nobody_while_the_node_stands_just_under_its_threshold(
    scene: Scene, reclaim: Callable[[Scene], None], count: Callable[[Scene], int]
) -> None:
    """Here a stall of the node's own would be reason enough to kill."""
    batch = prepare(scene)
    reclaim(scene)
    threshold = threshold_mib(scene)
    while (over := scene.available() - threshold * 7 // 8) > 0:  # the cache of the busy pod comes and goes
        scene.fill(CRITICAL, over)
    before = count(scene)
    seen = look_on(scene)
    assert count(scene) > before
    assert threshold // 2 < min(seen.available)
    assert max(seen.available) < threshold
    assert seen.alarms >= OFTEN
    assert seen.pod_full > HIGH
    assert_a_real_shortage_kills(scene, batch)


def prepare(scene: Scene) -> GuestProcess:
    """A guard at work, and somebody whom it would take first."""
    scene.guard()
    return scene.hold(BATCH, 150)


def look_on(scene: Scene) -> Seen:
    """Looks on; the guard may decide nothing in it, and the kernel may kill nobody."""
    watcher = scene.start("/guard", ["python3", "-S", "-c", PRESSURE_ALONE])
    watcher.wait_for("watching", GENEROUS)
    start, pod, kernel_kills = time.monotonic(), stall(scene), scene.counter("/proc/vmstat", "oom_kill")
    available: list[int] = []
    while (passed := time.monotonic() - start) < SECONDS:
        available.append(scene.available())
        assert scene.journal() == [], f"after {passed:.0f} s; MemAvailable was {available} MiB"
        time.sleep(1)  # there is nothing to wait for: that nothing happens is the point
    seen = Seen(available, watcher.stdout.count("high"), (stall(scene) - pod) / passed)
    print(f"{seen.alarms} alarms; the pod in full stall {seen.pod_full:.0%}; available {available} MiB")
    status = scene.status()
    assert (status["kills"], status["kernelKills"]) == (0, 0)
    assert scene.counter("/proc/vmstat", "oom_kill") == kernel_kills
    return seen


def stall(scene: Scene) -> float:
    """Seconds of the busy pod's full stall so far."""
    lines = scene.vm.read(f"{CGROUPS}{BUSY.path}/memory.pressure").splitlines()
    return int(lines[1].rpartition("total=")[2]) / 1e6


def pages_scanned(scene: Scene) -> int:
    """By the node's own reclaim, for whatever reason."""
    return sum(scene.counter("/proc/vmstat", name) for name in ("pgscan_kswapd", "pgscan_direct"))


def threshold_mib(scene: Scene) -> int:
    return int(scene.status()["thresholdBytes"]) // MIB


def assert_a_real_shortage_kills(scene: Scene, batch: GuestProcess) -> None:
    """The least important one, and nobody before it."""
    assert all(process.returncode is None for process in scene.running)
    scene.grow(HOG, 40)
    assert batch.wait(GENEROUS).returncode == -signal.SIGKILL
    scene.wait_until("the decision is recorded", scene.journal)
    record = scene.journal()[0]
    print("then:", record["victim"]["pod"], record["trigger"], record["milliseconds"])
    assert (record["victim"]["pod"], record["domain"], record["outcome"]) == ("batch", "/", "Killed")
