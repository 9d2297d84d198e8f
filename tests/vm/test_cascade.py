"""At the pods' own limit the kernel's OOM killer often takes a second victim while the first is still going.

It looks for a victim that is on its way out among the tasks of the memcg, and one that has nearly exited is no longer
listed there (css_task_iter of Linux 7.2 and 7.3). The answer of a userspace guard is to be earlier.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from guard_scene import CGROUPS, GENEROUS, Pod, Scene
from lab.guest_process import GuestProcess
from lab.vm import VM
from proofs import WHOLE
from shortages import KILLED, start

pytestmark = pytest.mark.vm

LIMIT = 400
"""MiB, of all pods together; the node has more than twice as much."""
HOG = Pod("hog", priority=10, qos="besteffort", oom_score_adj=1000)
CACHE = Pod("cache", priority=100, qos="burstable", oom_score_adj=900)
STORE = Pod("store", priority=900)
BUSY = (CACHE, STORE)
BUSY_MEBIBYTES = 80
RATE = 30
"""MiB/s."""
RUNS = 6 if WHOLE else 3
KUBEPODS = f"{CGROUPS}/kubepods"


@dataclass(frozen=True)
class Round:
    """One shortage: who died in it, and how many processes the kernel killed."""

    died: tuple[str, ...]
    kernel_kills: int


@pytest.fixture
def scene(vm: VM) -> Iterator[Scene]:
    scene = Scene(vm)
    scene.build(HOG, *BUSY)
    scene.vm.write(f"{KUBEPODS}/memory.max", f"{LIMIT}M")
    yield scene
    scene.clear()


def played(scene: Scene, workers: dict[str, GuestProcess]) -> Round:
    """Lets the hog grow until it dies, and looks who else did; who died is started again, for the next round."""
    before = scene.counter(f"{KUBEPODS}/memory.events", "oom_kill")
    for pod in BUSY:
        if pod.name not in workers:
            workers[pod.name] = start(scene, pod, "busy", "--mebibytes", str(BUSY_MEBIBYTES))
    hog = scene.grow(HOG, RATE)
    assert hog.wait(GENEROUS).returncode == KILLED
    scene.wait_until("its memory is back", lambda: _usage(scene) < (len(BUSY) * BUSY_MEBIBYTES + 60) << 20)
    dead = [name for name, process in workers.items() if process.returncode is not None]
    for name in dead:
        del workers[name]
    return Round(("hog", *dead), scene.counter(f"{KUBEPODS}/memory.events", "oom_kill") - before)


def _usage(scene: Scene) -> int:
    return int(scene.vm.read(f"{KUBEPODS}/memory.current"))


def test_left_to_itself_the_kernel_kills_more_than_it_must(scene: Scene) -> None:
    workers: dict[str, GuestProcess] = {}
    rounds = [played(scene, workers) for _ in range(RUNS)]
    print(
        "processes killed for one hog, kernel alone:",
        [one.kernel_kills for one in rounds],
        [one.died for one in rounds],
    )
    assert all(one.kernel_kills >= 1 for one in rounds)
    assert any(one.kernel_kills > 1 for one in rounds), "this kernel no longer does it: say so in docs/benchmarks.md"


def test_the_guard_is_early_enough_that_the_kernel_has_nothing_to_do(scene: Scene) -> None:
    scene.tell()
    scene.guard()
    workers: dict[str, GuestProcess] = {}
    rounds = [played(scene, workers) for _ in range(RUNS)]
    print("processes killed by the kernel beside the guard:", [one.kernel_kills for one in rounds])
    assert rounds == [Round(("hog",), 0)] * RUNS
    assert {record["domain"] for record in scene.journal()} == {"/kubepods"}
