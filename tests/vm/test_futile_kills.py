"""Memory that no kill frees: a pod's emptyDir in memory is charged to the pod, and outlives its containers."""

from collections.abc import Iterator

import pytest

from guard_scene import GENEROUS, Pod, Scene
from lab.vm import VM
from shortages import HELD, KILLED, MIB, NEXT, PROTECTED, THIRD, VICTIM, brought_about, decided, start, told, unharmed

pytestmark = pytest.mark.vm

STILL_SHORT = 60
"""MiB: with what two victims give back besides their tmpfs still below half of the threshold."""

BIG = 300
"""MiB in an emptyDir; the container that wrote them holds a Python."""


@pytest.fixture
def scene(vm: VM) -> Iterator[Scene]:
    scene = Scene(vm)
    scene.build(VICTIM, NEXT, THIRD, PROTECTED)
    scene.tell()
    scene.guard()
    yield scene
    scene.clear()
    vm.run(["sh", "-c", 'awk \'$3 == "tmpfs" && $2 ~ "^/mnt/" {print $2}\' /proc/mounts | xargs -r umount'])


def empty_dir(scene: Scene, pod: Pod, mebibytes: int) -> None:
    """An emptyDir in memory of a pod, and a small container that has filled it."""
    folder = f"/mnt/{pod.name}"
    scene.vm.run(["mount", "--mkdir", "-t", "tmpfs", pod.name, folder])
    start(scene, pod, "fill", "--mebibytes", str(mebibytes), "--path", f"{folder}/file")


def test_it_costs_one_kill_and_then_the_next_in_order_goes(scene: Scene) -> None:
    """S37: the pod is left alone for ten minutes, also when its container comes back."""
    empty_dir(scene, VICTIM, BIG)
    following, third = scene.hold(NEXT, HELD), scene.hold(THIRD, HELD // 2)
    critical = brought_about(scene)
    first, second = decided(scene, 2)
    print(told(first), told(second))
    assert (first["victim"]["pod"], first["outcome"]) == ("victim", "Futile")
    assert first["victim"]["usageBytes"] > BIG * MIB
    assert first["freedBytes"] < BIG * MIB // 4
    assert (second["victim"]["pod"], second["outcome"]) == ("next", "Killed")
    assert following.wait(GENEROUS).returncode == KILLED
    assert third.returncode is None

    restarted = scene.hold(VICTIM, 20)
    another = brought_about(scene)
    assert third.wait(GENEROUS).returncode == KILLED
    assert [record["victim"]["pod"] for record in decided(scene, 3)] == ["victim", "next", "third"]
    unharmed(scene, critical, another, restarted)


def test_two_in_a_row_are_the_last_and_what_is_wrong_is_said(scene: Scene) -> None:
    empty_dir(scene, VICTIM, HELD)
    empty_dir(scene, NEXT, HELD)
    third = scene.hold(THIRD, HELD)
    critical = brought_about(scene, leave=STILL_SHORT)
    assert [record["outcome"] for record in decided(scene, 2)] == ["Futile", "Futile"]
    scene.wait_until("the status says so", lambda: "held by no process" in "; ".join(scene.status()["problems"]))
    (guard,) = scene.guards
    scene.wait_until("the log says so", lambda: guard.said("Waiting although memory is short: the last kills gave"))
    assert [record["victim"]["pod"] for record in scene.journal()] == ["victim", "next"]
    unharmed(scene, critical, third)
