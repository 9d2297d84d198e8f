"""What the guard knows of a node with 250 pods on a real kernel: how soon, and at what cost while nothing happens."""

import json
from collections.abc import Iterator

import pytest

from guard_scene import CGROUPS, GENEROUS, Scene
from lab.guest_process import GuestProcess
from lab.vm import PROJECT, VM
from pod_tree import container_id, pod_uid
from proofs import WHOLE

pytestmark = pytest.mark.vm

PODS, PER_POD = 250, 2
TREE = ("python3", f"{PROJECT}/tests/support/pod_tree.py", "--containers", str(PER_POD))
IDLE_SECONDS = 60 if WHOLE else 20
MOST_WALKS = 8
"""Bare walks of the tree that the guard's minute may cost. A share of the core says nothing where that is emulated."""

WALK = """
import os, time
def walk():
    start = time.process_time()
    for _ in os.walk("/sys/fs/cgroup/kubepods"):
        pass
    return time.process_time() - start
print(sorted(walk() for _ in range(5))[2])
"""

NOTICE = """
import json, os, select, shutil, sys, time
from oompolicy_agent.guard.census import Census
from oompolicy_agent.guard.memcgs import CgroupFS
from oompolicy_agent.guard.sandboxes import Roles
from oompolicy_agent.guard.settings import Limits

census = Census(CgroupFS("/sys/fs/cgroup"), Roles("/"), Limits(), "")
census.follow(["/system.slice/backup.service"])
census.refresh(time.monotonic())
found = {"problem": census.problem, "milliseconds": []}

def change(what, path):
    start = time.monotonic()
    what("/sys/fs/cgroup" + path)
    woken = bool(select.select([census.descriptor], [], [], 5)[0])
    census.refresh(time.monotonic())
    found["milliseconds"].append(round((time.monotonic() - start) * 1000, 1))
    there = path in [place.path for place in census.tree]
    found.setdefault("right", []).append(woken and there == (what is os.mkdir))

pod = sys.argv[1]
for path in (pod, pod + "/sandbox", pod + "/main"):
    change(os.mkdir, path)
for path in (pod + "/main", pod + "/sandbox", pod):
    change(os.rmdir, path)
change(os.mkdir, pod)
change(os.mkdir, pod + "/main")
os.makedirs("/sys/fs/cgroup/system.slice", exist_ok=True)
with open("/sys/fs/cgroup/system.slice/cgroup.subtree_control", "w") as file:
    file.write("+memory")
census.refresh(time.monotonic())
change(os.mkdir, "/system.slice/backup.service")
change(os.rmdir, "/system.slice/backup.service")
print(json.dumps(found))
"""


@pytest.fixture
def scene(vm: VM) -> Iterator[Scene]:
    scene = Scene(vm)
    yield scene
    scene.clear()


def crowd(scene: Scene) -> GuestProcess:
    """The pods, empty but for one process in the first few."""
    process = scene.vm.start([*TREE, "--pods", str(PODS), "--populated", "4"])
    scene.running.append(process)
    process.wait_for("ready", GENEROUS)
    return process


def told() -> str:
    """targets.json for all of them."""
    pods = [
        {
            "uid": pod_uid(pod),
            "namespace": "shop",
            "name": f"pod-{pod}",
            "priority": pod % 20,
            "rule": "all",
            "source": "Rule",
            "containers": [{"name": str(one), "id": container_id(pod, one)} for one in range(PER_POD)],
        }
        for pod in range(PODS)
    ]
    policy = {"name": "mixed", "uid": "6f1c", "generation": 1, "mode": "Enforce", "defaultPriority": 500}
    return json.dumps({"formatVersion": 1, "policy": policy, "pods": pods})


def cpu_seconds(vm: VM, pid: str) -> float:
    """What a process has used so far."""
    fields = vm.read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100  # utime and stime; USER_HZ is 100 everywhere


def test_a_memcg_that_comes_or_goes_is_noticed_at_once(scene: Scene) -> None:
    crowd(scene)
    found = json.loads(scene.vm.python(NOTICE, f"/kubepods/burstable/pod{pod_uid(9999)}", timeout=GENEROUS).stdout)
    print("milliseconds from mkdir or rmdir until the tree is right, 250 pods:", found["milliseconds"])
    assert found["problem"] is None
    assert all(found["right"])
    assert sorted(found["milliseconds"])[len(found["milliseconds"]) // 2] < 100


def test_a_guard_over_250_pods_costs_next_to_nothing_while_nothing_happens(scene: Scene) -> None:
    scene.vm.run(["mkdir", "-p", f"{CGROUPS}/guard"])
    crowd(scene)
    scene.write_targets(told())
    guard = scene.guard()
    scene.wait_until("its start is over", lambda: guard.said("Rehearsed a kill"))
    pid = scene.vm.read(f"{CGROUPS}/guard/cgroup.procs").split()[0]
    before = cpu_seconds(scene.vm, pid)
    scene.vm.run(["sleep", str(IDLE_SECONDS)], timeout=IDLE_SECONDS + GENEROUS)
    share = (cpu_seconds(scene.vm, pid) - before) / IDLE_SECONDS
    memory = scene.vm.read(f"/proc/{pid}/status").partition("VmRSS:")[2].split()[0]
    walks = share * 60 / float(scene.vm.python(WALK, timeout=GENEROUS).stdout)
    print(
        f"share of a core while idle: {share:.3%}, {walks:.1f} walks a minute; resident: {int(memory) / 1024:.1f} MiB"
    )
    assert scene.status()["targetsMapped"] == PODS * (1 + PER_POD)
    assert walks < MOST_WALKS
    guard.stop()
