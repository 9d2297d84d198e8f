"""How a guard starts on a real kernel: what it does once beforehand, and what it says when something is in its way."""

from collections.abc import Iterator

import pytest

from guard_scene import CGROUPS, GENEROUS, STATE, Pod, Scene
from lab.vm import VM

pytestmark = pytest.mark.vm

BATCH = Pod("batch", priority=10)


@pytest.fixture
def scene(vm: VM) -> Iterator[Scene]:
    scene = Scene(vm)
    scene.build(BATCH)
    scene.tell()
    yield scene
    scene.clear()


def test_rehearses_a_kill_and_leaves_nothing_behind(scene: Scene) -> None:
    batch = scene.hold(BATCH, 10)
    guard = scene.guard()
    scene.wait_until("it has rehearsed", lambda: guard.said("Rehearsed a kill"))
    assert scene.vm.run(["sh", "-c", f"find {CGROUPS} -name 'oompolicy-*'"]).stdout == ""
    assert scene.vm.run(["pgrep", "-P", str(guard.said("Started")[0]["pid"])], check=False).stdout == ""
    assert (batch.returncode, scene.journal()) == (None, [])
    assert "rehearsed" not in " ".join(scene.status()["problems"])


def test_lets_go_at_once_when_the_glass_is_broken(scene: Scene) -> None:
    guard = scene.guard()
    scene.vm.run(["touch", f"{STATE}/break-glass"])
    scene.wait_until("it has let go", lambda: scene.status()["backend"] == "Off")
    assert {one["reason"] for one in scene.status()["reasons"]} >= {"BreakGlass"}
    scene.vm.run(["rm", f"{STATE}/break-glass"])
    scene.wait_until("it guards again", lambda: scene.status()["backend"] == "Userspace")
    guard.stop()


def test_a_second_guard_on_a_bare_host_names_the_first(scene: Scene) -> None:
    guard = scene.guard()
    pid = guard.said("Started")[0]["pid"]
    run = ["python3", "-m", "oompolicy_agent.guard", "run", "--state-directory", STATE]
    second = scene.vm.run(run, check=False, timeout=GENEROUS)
    assert second.returncode == 3
    assert f"pid {pid}" in second.stdout
    guard.stop()


def test_a_changed_file_is_taken_up_at_once(scene: Scene) -> None:
    guard = scene.guard()
    scene.tell(generation=2)
    scene.wait_until("it is applied", lambda: len(guard.said("Applied policy")) == 2)
    changed = float(scene.vm.run(["stat", "-c", "%.3Z", f"{STATE}/inbox/targets.json"]).stdout)
    applied = scene.vm.python(
        "import sys, datetime; print(datetime.datetime.fromisoformat(sys.argv[1]).timestamp())",
        guard.said("Applied policy")[1]["timestamp"],
    ).stdout
    print("seconds from the change to the line in the log:", float(applied) - changed)
    assert float(applied) - changed < 0.5, "less than the second between two looks"
