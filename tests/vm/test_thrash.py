"""The guard where it is hardest to do anything: the machine, or the guard's own memcg, has next to nothing left."""

import json
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from guard_scene import CGROUPS, GENEROUS, STATE, Guard, Pod, Scene
from lab.vm import VM
from shortages import HELD, KILLED, NEXT, PROTECTED, VICTIM, WATCHERS, decided, procs, told

pytestmark = pytest.mark.vm

HOG = Pod("hog", priority=10, qos="besteffort", oom_score_adj=1000)
AGENT = Pod("agent", protect="Always", qos="besteffort", oom_score_adj=-997)
"""The guard's own pod, where it lives below kubepods."""
LEFT = 12
"""MiB available when the guard is let go on: below it the kernel itself begins to kill."""
LIMIT = 400
"""MiB, of all pods together."""
KUBEPODS = f"{CGROUPS}/kubepods"


@pytest.fixture
def scene(vm: VM) -> Iterator[Scene]:
    scene = Scene(vm)
    yield scene
    scene.clear()


def pid_of(guard: Guard) -> int:
    """Of the guard's process."""
    return int(guard.said("Started")[0]["pid"])


def guard_in(scene: Scene, pod: Pod) -> Guard:
    """A guard in a container of a pod, as the chart has it."""
    argv = f"exec python3 -m oompolicy_agent.guard run --state-directory {STATE}"
    join = f"echo $$ > {CGROUPS}{pod.container_path}/cgroup.procs; echo {pod.oom_score_adj} > /proc/self/oom_score_adj"
    process = scene.vm.start(["sh", "-c", f"{join}; {argv}"], env={"POD_UID": pod.uid})
    guard = Guard(scene.vm, process)
    scene.running.append(process)
    scene.guards.append(guard)
    process.wait_for("Backend is", GENEROUS)
    return guard


def let_go_on_in_a_shortage(scene: Scene, guard: Guard, of: str) -> dict[str, Any]:
    """Stops the guard, has the protected one take all but `LEFT`, and lets the guard go on; what that cost."""
    (victim,) = procs(scene, VICTIM)
    guard.process.signal(signal.SIGSTOP)
    options = ["--guard", str(pid_of(guard)), "--victim", victim, "--at", str(LEFT), "--of", of]
    watcher = scene.vm.start([*WATCHERS, "resume", *options])
    scene.running.append(watcher)
    watcher.wait_for("watching", GENEROUS)
    exhaust = [*WATCHERS, "exhaust", "--leave", str(LEFT), "--of", of]
    hog = scene.start(PROTECTED.container_path, exhaust, oom_score_adj=PROTECTED.oom_score_adj)
    said = watcher.wait(GENEROUS, check=True).stdout.splitlines()[-1]
    assert hog.returncode is None
    found: dict[str, Any] = json.loads(said)
    return found


def test_decides_with_twelve_mebibytes_left_and_reads_nothing_from_a_disk(scene: Scene) -> None:
    scene.build(VICTIM, NEXT, PROTECTED)
    scene.tell()
    guard = scene.guard()
    scene.hold(VICTIM, HELD)
    following = scene.hold(NEXT, HELD)
    cost = let_go_on_in_a_shortage(scene, guard, "node")
    (record,) = decided(scene, 1)
    print("from going on until the victim was gone:", cost, told(record))
    assert (record["victim"]["pod"], record["outcome"]) == ("victim", "Killed")
    assert cost["victimDied"]
    assert (cost["majorFaults"], cost["readBytes"]) == (0, 0)
    assert following.returncode is None
    assert scene.status()["kernelKills"] == 0


def in_the_pods(scene: Scene) -> Guard:
    """A guard whose own memory counts for the pods' limit."""
    scene.vm.write(f"{KUBEPODS}/memory.max", f"{LIMIT}M")
    scene.tell()
    return guard_in(scene, AGENT)


@pytest.mark.parametrize(
    "reads",
    [
        pytest.param(False, id="while-there-is-room"),
        pytest.param(True, id="while-files-fill-all-that-is-left"),
    ],
)
def test_below_kubepods_it_is_in_time_although_its_own_memory_counts(scene: Scene, reads: bool) -> None:
    """Where somebody reads more files than there is room for, each page that anybody takes is reclaimed first."""
    scene.build(HOG, NEXT, PROTECTED, AGENT)
    guard = in_the_pods(scene)
    following = scene.hold(NEXT, HELD)
    if reads:
        reader = scene.work(PROTECTED, "read", "--file", "/root/file", "--mebibytes", str(LIMIT))
        reader.wait_for("round 1", GENEROUS)
    before = faults(scene, guard)
    hog = scene.grow(HOG, 30)
    assert hog.wait(GENEROUS).returncode == KILLED
    (record,) = decided(scene, 1)
    took = [after - earlier for after, earlier in zip(faults(scene, guard), before, strict=True)]
    print(told(record), record["trigger"], "guard's minor and major faults:", took)
    assert (record["victim"]["pod"], record["outcome"], record["domain"]) == ("hog", "Killed", "/kubepods")
    assert following.returncode is None
    assert scene.counter(f"{KUBEPODS}/memory.events", "oom_kill") == 0


def faults(scene: Scene, guard: Guard) -> tuple[int, int]:
    """Minor and major page faults of a guard so far."""
    fields = scene.vm.read(f"/proc/{pid_of(guard)}/stat").rpartition(")")[2].split()
    return int(fields[7]), int(fields[9])


def test_below_kubepods_it_decides_when_their_limit_is_reached(scene: Scene) -> None:
    """What it still has to allocate does not wait for memory that only its own kill would free."""
    scene.build(VICTIM, NEXT, PROTECTED, AGENT)
    guard = in_the_pods(scene)
    scene.hold(VICTIM, HELD)
    following = scene.hold(NEXT, 50)
    cost = let_go_on_in_a_shortage(scene, guard, KUBEPODS)
    (record,) = decided(scene, 1)
    print("from going on until the victim was gone:", cost, told(record))
    assert (record["victim"]["pod"], record["outcome"], record["domain"]) == ("victim", "Killed", "/kubepods")
    assert following.returncode is None
    assert scene.counter(f"{KUBEPODS}/memory.events", "oom_kill") == 0
