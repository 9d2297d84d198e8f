"""Many equal replicas that fill a node together: some of them die, in time, and nobody else."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from guard_scene import CGROUPS, GENEROUS, Pod, Scene
from lab.guest_process import GuestProcess
from lab.vm import VM, WORKLOAD
from oompolicy_agent.guard.clock import parse

pytestmark = pytest.mark.vm

Boot = Callable[..., AbstractContextManager[VM]]

CRITICAL = Pod("crit", priority=900, qos="burstable", oom_score_adj=600, request_mebibytes=300)
MIB = 1 << 20
REPLICAS = 25
REPLICA_MIB = 96
"""100 MB in the kernel's measure."""
FIRST_SECONDS = 15
WATCHER = """
import sys, time
threshold = int(sys.argv[1])
while True:
    available = next(int(line.split()[1]) for line in open("/proc/meminfo") if line.startswith("MemAvailable")) * 1024
    if available < threshold:
        print(f"short since {time.time():.3f}", flush=True)
        break
    time.sleep(0.02)
"""


@pytest.fixture
def crowd(boot: Boot) -> Iterator[Scene]:
    """A node of 2 GiB with a pod for each replica."""
    with boot(memory_mib=2048) as vm:
        scene = Scene(vm)
        names = [f"stress{number}" for number in range(REPLICAS)]
        scene.build(CRITICAL, *(Pod(name, priority=-10, qos="besteffort", oom_score_adj=1000) for name in names))
        scene.tell(budget={"maximumKills": REPLICAS})
        yield scene
        scene.clear()


def test_of_equal_replicas_on_a_full_node_some_die_and_nobody_else(crowd: Scene) -> None:
    """S17: 25 replicas of 100 MB in the lowest class, on 2 GiB; the first dies within 15 s.

    Together they may grow faster than the guard survives. Then the kernel takes some, but it takes replicas.
    """
    scene, vm = crowd, crowd.vm
    guard = scene.guard()
    critical = scene.hold(CRITICAL, 200, touch=True)
    vm.run(["mkdir", f"{CGROUPS}/system"])
    system = scene.start("/system", [WORKLOAD, "hold", "--mebibytes", "50"])
    system.wait_for("holding", GENEROUS)
    threshold = scene.status()["thresholdBytes"]
    watcher = scene.start("/guard", ["python3", "-S", "-u", "-c", WATCHER, str(threshold)])
    stress = [scene.work(pod, "grow", "--up-to", str(REPLICA_MIB)) for pod in scene.pods[1:]]
    watcher.wait_for("short since", GENEROUS)
    scene.wait_until("it is over", lambda: is_over(scene, stress) and scene.available() * MIB > threshold // 2)

    records = scene.journal()
    short_since = float(watcher.stdout.split()[-1])
    first = min(parse(record["time"]) or 0.0 for record in records) - short_since
    by_kernel = scene.counter("/proc/vmstat", "oom_kill")
    print(*(f"{record['trigger']} {record['milliseconds']}" for record in records), sep="\n")
    print(
        f"{len(records)} replicas died, {by_kernel} of them by the kernel, the first {first:.1f} s after the node "
        f"was short; {scene.available()} MiB are left"
    )
    assert {record["victim"]["pod"].rstrip("0123456789") for record in records} == {"stress"}
    assert {record["domain"] for record in records} == {"/"}
    assert first < FIRST_SECONDS
    assert (critical.returncode, system.returncode, guard.process.returncode) == (None, None, None)
    assert len(scene.sandboxes_alive()) == 1 + REPLICAS
    assert scene.status()["kernelKills"] == by_kernel


def is_over(scene: Scene, stress: list[GuestProcess]) -> bool:
    """Whether every replica either holds all that it wants or is dead and told of."""
    dead = sum(process.returncode is not None for process in stress)
    return all(process.returncode is not None or "no more" in process.stdout for process in stress) and dead == len(
        scene.journal()
    )
