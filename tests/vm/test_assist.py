"""The BPF program that chooses in the kernel: it loads, measures as cgroupfs does, agrees with the specification."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from guard_scene import GENEROUS, Guard, Pod, Scene
from lab import bpf
from lab.bpf import DIRECTORY
from lab.older_kernel import older_kernel
from lab.vm import PROJECT, VM
from pod_tree import pod_uid
from proofs import WHOLE
from scenarios import SCENARIOS, Scenario

pytestmark = pytest.mark.vm

Boot = Callable[..., AbstractContextManager[VM]]

SEED = int(os.environ.get("OOMPOLICY_TREES_SEED", "2"))
TREES = int(os.environ.get("OOMPOLICY_TREES", "100" if WHOLE else "8"))
POLICIES = 60
PATHS = {"PYTHONPATH": f"{PROJECT}/agent:{PROJECT}/tests/support"}
LEAVES = 20
"""In one tree, at most."""
AS_FAST_AS_IT_GETS = "nsdelegate,memory_recursiveprot,favordynmods"


@pytest.fixture(scope="module")
def machine(vm: VM) -> VM:
    """One that has the program and its loader."""
    bpf.give(vm)
    return vm


def test_on_real_memcgs_it_chooses_as_the_specification_does(machine: VM) -> None:
    machine.run(["mount", "-o", f"remount,{AS_FAST_AS_IT_GETS}", "/sys/fs/cgroup"])
    options = [f"--trees={TREES}", f"--policies={POLICIES}", f"--leaves={LEAVES}", f"--seed={SEED}"]
    command = ["python3", "-m", "differential", f"--directory={DIRECTORY}", *options]
    found = json.loads(machine.run(command, env=PATHS, timeout=1200).stdout.splitlines()[-1])
    print({name: value for name, value in found.items() if name != "examples"})
    assert found["misread"] == [], "usages differ from what cgroupfs says"
    assert found["differences"] == 0, found["examples"]
    assert found["victims"] > TREES * POLICIES


@pytest.fixture(scope="module")
def played(machine: VM) -> dict[str, list[str]]:
    """The order in which the program would have each scenario's leaves die."""
    command = ["python3", "-m", "differential.scenes", f"--directory={DIRECTORY}"]
    printed = machine.run(command, env=PATHS, timeout=GENEROUS * 4).stdout
    found: dict[str, list[str]] = json.loads(printed.splitlines()[-1])
    return found


@pytest.mark.parametrize("scenario", [pytest.param(one, id=one.name) for one in SCENARIOS])
def test_trees_from_the_field_have_their_right_answers(played: dict[str, list[str]], scenario: Scenario) -> None:
    assert played[scenario.name] == list(scenario.order)


def test_a_domain_that_is_gone_is_an_answer(machine: VM) -> None:
    program = f"""
from oompolicy_agent.guard.assist_abi import Answer, Question
from oompolicy_agent.guard.assist_load import load
from oompolicy_agent.guard.bpf import run_program
context = Question(domain=123456789, run=1).packed()
run_program(load("{DIRECTORY}", 16).program, context)
print(Answer.unpacked(context).error.name)
"""
    assert machine.python(program).stdout == "NO_DOMAIN\n"


def test_a_map_that_is_full_is_said_to_be(machine: VM) -> None:
    """And what was in it stays: a guard that cannot tell of everybody must not go on as if it had."""
    program = f"""
from oompolicy_agent.guard.assist import Assist
from oompolicy_agent.guard.assist_abi import Target
from oompolicy_agent.guard.assist_load import load
assist = Assist(load("{DIRECTORY}", 4))
assist.tell({{id: Target() for id in range(1, 5)}})
try:
    assist.tell({{id: Target() for id in range(1, 6)}})
except OSError as error:
    print(error)
"""
    assert "more than 4 memcgs have something to be said of" in machine.python(program).stdout


REFUSED = """
import sys
from oompolicy_agent.guard.assist_load import RefusedError, load
try:
    load(sys.argv[1], int(sys.argv[2]))
except RefusedError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("directory", "entries", "said"),
    [
        pytest.param("/nowhere", 16, "There is no /nowhere/oompolicy.bpf.o", id="nothing-there"),
        pytest.param("/opt/damaged", 16, "Could not open /opt/damaged/oompolicy.bpf.o", id="no-object"),
        pytest.param(DIRECTORY, 2**32 - 1, "Could not load", id="no-room-in-the-kernel"),
    ],
)
def test_what_is_in_the_way_is_said(machine: VM, directory: str, entries: int, said: str) -> None:
    """And the loader is gone, whatever happened to it."""
    machine.run(["sh", "-c", f"mkdir -p /opt/damaged; cp {DIRECTORY}/oompolicy-bpf-load /opt/damaged"])
    machine.write("/opt/damaged/oompolicy.bpf.o", "no object")
    assert said in machine.python(REFUSED, directory, str(entries)).stdout
    assert machine.run(["pgrep", "oompolicy-bpf"], check=False).stdout == ""


PODS, NAMED_PRIORITY = 250, 7
CROWD = ("python3", f"{PROJECT}/tests/support/pod_tree.py", "--containers", "2")
KILLED = -signal.SIGKILL
NEEDED = ("kill", "dac_override", "sys_ptrace", "sys_resource", "ipc_lock", "bpf", "perfmon")
CRITICAL = Pod("crit", priority=900, qos="burstable", request_mebibytes=300)
BATCH = Pod("batch", priority=10)
OTHER = Pod("other", priority=10, qos="burstable")


@pytest.fixture
def scene(machine: VM) -> Iterator[Scene]:
    scene = Scene(machine)
    scene.build(CRITICAL, BATCH, OTHER)
    scene.tell()
    yield scene
    scene.clear()


def test_a_guard_kills_whom_the_kernel_has_chosen_and_explains_it_like_any_other(scene: Scene) -> None:
    guard = scene.guard(f"--bpf-directory={DIRECTORY}")
    assert guard.said("Backend is")[-1]["message"] == "Backend is KernelAssist"
    assert [reason["backend"] for reason in scene.status()["reasons"]] == ["KernelHook"]
    batch, other = scene.hold(BATCH, 100), scene.hold(OTHER, 150)
    hog = scene.take_all_but(80, CRITICAL)
    assert other.wait(GENEROUS).returncode == KILLED
    scene.wait_until("that is recorded", scene.journal)
    (record,) = scene.journal()
    assert (record["backend"], record["victim"]["pod"], record["outcome"]) == ("KernelAssist", "other", "Killed")
    assert [victim["pod"] for victim in record["ranking"]] == ["other", "batch", "crit"]
    assert [layer["decidedBy"] for layer in record["layers"]] == ["OnlyChild", "TieBreak", "Priority", "OnlyChild"]
    assert (batch.returncode, hog.returncode) == (None, None)
    print("milliseconds:", record["milliseconds"])


def test_a_container_that_appears_is_in_the_map_at_once(scene: Scene) -> None:
    """The last one to come is the one that dies: nobody has looked at it before."""
    scene.guard(f"--bpf-directory={DIRECTORY}")
    hog = scene.take_all_but(230, CRITICAL)
    late = Pod("late", priority=1)
    scene.add(late)
    scene.tell(generation=4)
    victim = scene.work(late, "hold", "--mebibytes", "200")
    assert victim.wait(GENEROUS).returncode == KILLED
    assert hog.returncode is None


def test_on_a_full_node_a_container_that_comes_is_in_the_map_with_its_own_priority_and_one_that_goes_leaves_it(
    scene: Scene,
) -> None:
    crowd = scene.vm.start([*CROWD, "--pods", str(PODS), "--populated", "4"])
    scene.running.append(crowd)
    crowd.wait_for("ready", GENEROUS)
    scene.write_targets(told())
    scene.guard(f"--bpf-directory={DIRECTORY}")
    pod = f"/kubepods/burstable/pod{pod_uid(0)}"
    births = ["python3", "-m", "differential.births", "--pod", pod, "--times", "10"]
    found = json.loads(scene.vm.run(births, env=PATHS, timeout=GENEROUS * 4).stdout)
    print(f"milliseconds until the map knows, {PODS} pods:", found)
    assert found["priorities"] == [NAMED_PRIORITY] * 10


def told() -> str:
    """targets.json for the crowd; its first pod is to have one container more, whose id nobody knows yet."""
    waiting = [{"name": "exporter", "priority": NAMED_PRIORITY}]
    pods = [
        {"uid": pod_uid(pod), "namespace": "shop", "name": str(pod), "priority": 500, "waitingContainers": waiting}
        for pod in range(PODS)
    ]
    return json.dumps({"formatVersion": 1, "policy": {"name": "mixed", "mode": "Enforce"}, "pods": pods})


def test_where_the_program_cannot_be_loaded_the_next_backend_is_in_force_and_says_why(scene: Scene) -> None:
    guard = scene.guard("--bpf-directory=/opt/damaged")
    assert guard.said("Backend is")[-1]["message"] == "Backend is Userspace"
    reasons = {reason["backend"]: reason for reason in scene.status()["reasons"]}
    assert reasons["KernelAssist"]["reason"] == "LoadFailed"
    assert "Could not open /opt/damaged/oompolicy.bpf.o" in reasons["KernelAssist"]["message"]


def test_where_nothing_else_is_allowed_and_it_cannot_be_loaded_nothing_is_done(scene: Scene) -> None:
    scene.tell(backends=["KernelAssist"])
    guard = scene.guard("--bpf-directory=/opt/damaged")
    assert guard.said("Backend is")[-1]["message"] == "Backend is Off"
    batch = scene.hold(BATCH, scene.available() - 80)
    assert batch.returncode is None
    assert scene.journal() == []


def test_on_a_kernel_without_functions_for_memcgs_the_next_backend_says_what_is_missing(boot: Boot) -> None:
    with boot(kernel=older_kernel()) as vm:
        bpf.give(vm)
        scene = Scene(vm)
        scene.build(BATCH)
        scene.tell()
        guard = scene.guard(f"--bpf-directory={DIRECTORY}")
        assert guard.said("Backend is")[-1]["message"] == "Backend is Userspace"
        reasons = {reason["backend"]: reason for reason in scene.status()["reasons"]}
        assert reasons["KernelAssist"]["reason"] == "NoMemcgKfuncs"
        assert "kfunc 'bpf_get_mem_cgroup' is referenced but wasn't resolved" in reasons["KernelAssist"]["message"]
        assert "BEGIN PROG LOAD LOG" in guard.said("Could not load the BPF programs")[0]["err"]


def confined(scene: Scene, *without: str) -> Guard:
    """A guard with the capabilities that its container gives it, but for some."""
    kept = ",".join(["-all", *(f"+{name}" for name in NEEDED if name not in without)])
    drop = ["setpriv", f"--bounding-set={kept}", f"--inh-caps={kept}"]
    return scene.guard(f"--bpf-directory={DIRECTORY}", prefix=drop)


@pytest.mark.parametrize("capability", ["bpf", "perfmon"])
def test_without_the_capability_it_is_not_loaded(scene: Scene, capability: str) -> None:
    confined(scene, capability)
    reasons = {reason["backend"]: reason["message"] for reason in scene.status()["reasons"]}
    assert "Operation not permitted" in reasons["KernelAssist"] or "Permission denied" in reasons["KernelAssist"]


def test_with_the_capabilities_of_its_container_it_is(scene: Scene) -> None:
    guard = confined(scene)
    assert scene.status()["backend"] == "KernelAssist"
    pid = guard.said("Started")[0]["pid"]
    print(scene.vm.run(["grep", "-E", "VmRSS|VmLck", f"/proc/{pid}/status"]).stdout)
