"""What the guard may do is as little as can be: each capability in its list is proved necessary, others are dropped."""

import re
import signal
from collections.abc import Iterator

import pytest

from guard_scene import GENEROUS, TARGETS, Guard, Pod, Scene
from lab.guest_process import GuestProcess
from lab.vm import VM

pytestmark = pytest.mark.vm

NEEDED = ("kill", "dac_override", "sys_ptrace", "sys_resource", "ipc_lock")
TENANT = "1000"
SYNC = "65532"
LOCKED_BYTES = "65536"
"""What a process without IPC_LOCK may lock; container runtimes give as little."""
BATCH = Pod("batch", priority=10, request_mebibytes=100)
CRITICAL = Pod("crit", priority=900)
KILLED = -signal.SIGKILL
LARGEST_KIB = 22 * 1024


@pytest.fixture
def scene(vm: VM) -> Iterator[Scene]:
    scene = Scene(vm)
    scene.build(BATCH, CRITICAL)
    scene.tell()
    vm.run(["chown", f"{SYNC}:{SYNC}", TARGETS])
    vm.run(["chmod", "0640", TARGETS])
    yield scene
    scene.clear()


def confined(scene: Scene, *without: str) -> Guard:
    """A guard as its container has it, without some of the capabilities that it needs."""
    kept = ",".join(["-all", *(f"+{name}" for name in NEEDED if name not in without)])
    drop = ["setpriv", f"--bounding-set={kept}", f"--inh-caps={kept}", f"--regid={SYNC}", "--clear-groups"]
    return scene.guard(prefix=["prlimit", f"--memlock={LOCKED_BYTES}:{LOCKED_BYTES}", *drop])


def tenant(scene: Scene) -> GuestProcess:
    """A tenant's own process in batch, beside one that nobody may kill: the memcg cannot be killed as a whole."""
    path = f"{BATCH.path}/{BATCH.container_id}"
    scene.start(path, ["sleep", "infinity"], oom_score_adj=-1000)
    user = ["setpriv", f"--reuid={TENANT}", f"--regid={TENANT}", "--clear-groups"]
    return scene.start(path, [*user, "sleep", "infinity"])


def problems(scene: Scene) -> str:
    return "; ".join(scene.status()["problems"])


def memory_kib(scene: Scene, guard: Guard, name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+) kB", scene.vm.read(f"/proc/{guard.said('Started')[0]['pid']}/status"))
    assert found
    return int(found[1])


def test_with_all_that_it_needs_it_does_all_that_it_must(scene: Scene) -> None:
    victim = tenant(scene)
    guard = confined(scene)
    assert problems(scene) == ""
    assert memory_kib(scene, guard, "VmLck") > int(LOCKED_BYTES) // 1024
    scene.take_all_but(80, CRITICAL)
    assert victim.wait(GENEROUS).returncode == KILLED
    print("resident KiB:", memory_kib(scene, guard, "VmRSS"), "locked KiB:", memory_kib(scene, guard, "VmLck"))
    assert memory_kib(scene, guard, "VmRSS") < LARGEST_KIB


def test_without_dac_override_no_tenants_oom_score_adj_is_shaped(scene: Scene) -> None:
    tenant(scene)
    confined(scene, "dac_override")
    scene.wait_until("it has tried", lambda: "oom_score_adj" in problems(scene))
    assert "Permission denied" in problems(scene)


def test_without_kill_a_tenants_process_survives(scene: Scene) -> None:
    victim = tenant(scene)
    guard = confined(scene, "kill")
    scene.take_all_but(80, CRITICAL)
    scene.wait_until("it has failed", lambda: guard.said("Could not kill as intended"))
    assert "Operation not permitted" in guard.said("Could not kill as intended")[0]["err"]
    assert victim.returncode is None


@pytest.mark.parametrize(
    ("capability", "problem"),
    [
        pytest.param(
            "sys_ptrace", "neither the runtime nor the API server says", id="sys_ptrace-to-see-the-hosts-files"
        ),
        pytest.param("sys_resource", "No pressure trigger on /proc/pressure/memory", id="sys_resource-for-pressure"),
        pytest.param("ipc_lock", "mlockall", id="ipc_lock-to-stay-in-memory"),
    ],
)
def test_without_it_something_is_missing(scene: Scene, capability: str, problem: str) -> None:
    confined(scene, capability)
    scene.wait_until("the guard has counted", lambda: scene.status()["targetsMapped"] > 0)
    assert problem in problems(scene)
