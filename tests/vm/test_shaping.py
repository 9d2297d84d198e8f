"""The kernel's own choice, on a real kernel: wrong by itself, right when shaped; and everything can be put back."""

import json
import re
import shlex
import signal
from collections.abc import Iterator

import pytest

from guard_scene import CGROUPS, GENEROUS, STATE, TARGETS, Pod, Scene
from lab.guest_process import GuestProcess
from lab.vm import VM

pytestmark = pytest.mark.vm

CRITICAL = Pod("crit", protect="Always", qos="burstable", oom_score_adj=600, request_mebibytes=300)
BATCH = Pod("batch", priority=10, oom_score_adj=-997, request_mebibytes=250)
HOG = Pod("hog", priority=100, qos="burstable", oom_score_adj=2)
PODS = (CRITICAL, BATCH, HOG)
FIRST, PROTECTED = 1000, -998
TENANT = "1000"
KILLED = -signal.SIGKILL
NEEDED = ("kill", "sys_ptrace", "sys_resource", "ipc_lock")

SHAPE = f"""
import os, sys, time
from oompolicy_agent.guard import oom_scores, shaping
from oompolicy_agent.guard.adjustments import Adjustments
from oompolicy_agent.guard.census import Census
from oompolicy_agent.guard.files import make_directory
from oompolicy_agent.guard.log import Log
from oompolicy_agent.guard.margin import parse_meminfo
from oompolicy_agent.guard.memcgs import CgroupFS
from oompolicy_agent.guard.order import classes
from oompolicy_agent.guard.sandboxes import Roles
from oompolicy_agent.guard.settings import Limits
from oompolicy_agent.guard.status import boot_id
from oompolicy_agent.guard.targets_json import parse

what, writes = sys.argv[1], int(sys.argv[2])
cgroups, now = CgroupFS("{CGROUPS}"), time.monotonic()
adjustments = Adjustments(cgroups, "/proc", make_directory("{STATE}", 0o755), boot_id("/proc"), Log())
census = Census(cgroups, Roles("/"), Limits(), "")
census.refresh(now)
targets = parse(open("{TARGETS}", "rb").read())
facts, _ = census.measured(census.facts(now), [one for one in census.tree if one.container_id], with_swap=False)
meminfo = parse_meminfo(open("/proc/meminfo").read())
wanted = shaping.wanted(census.tree, targets, facts, meminfo.total + meminfo.swap_total)

def die_after(really, left=[writes]):
    def write(directory, content):
        if left[0] == 0:
            os.kill(os.getpid(), 9)
        left[0] -= 1
        really(directory, content)
    return write

if writes >= 0:
    oom_scores._write = die_after(oom_scores._write)
adjustments.apply(wanted) if what == "apply" else adjustments.restore()
print("count", adjustments.count, "problem", adjustments.problem)
"""
"""`apply` or `restore`; and after how many writes it is killed, -1: never."""
FORKS = ["sh", "-c", "while :; do sleep 0.3; done"]


@pytest.fixture
def scene(vm: VM) -> Iterator[Scene]:
    scene = Scene(vm)
    scene.build(*PODS)
    scene.tell()
    yield scene
    scene.clear()


def shape(scene: Scene, what: str = "apply", *, killed_after: int = -1, without: str | None = None) -> str:
    """Runs what the guard would, with its capabilities but `without`; returns what it said."""
    kept = ",".join(["-all", *(f"+{name}" for name in (*NEEDED, "dac_override") if name != without)])
    confined = ["setpriv", f"--bounding-set={kept}", f"--inh-caps={kept}", "--clear-groups"]
    argv = [*confined, "python3", "-c", SHAPE, what, str(killed_after)]
    done = scene.vm.run(["sh", "-c", f"echo $$ > {CGROUPS}/guard/cgroup.procs; exec {shlex.join(argv)}"], check=False)
    assert done.returncode == (0 if killed_after < 0 else KILLED), done.stderr
    return done.stdout


def values(scene: Scene) -> dict[str, set[int]]:
    """The oom_score_adj that the processes of each pod's container have."""
    return {pod.name: {value for _, value in processes(scene, pod)} for pod in scene.pods}


def processes(scene: Scene, pod: Pod) -> list[tuple[int, int]]:
    """Pid and oom_score_adj of each process in the pod's container."""
    print_one = "echo $pid $(cat /proc/$pid/oom_score_adj 2> /dev/null)"
    script = f"for pid in $(cat {CGROUPS}{pod.container_path}/cgroup.procs); do {print_one}; done"
    lines = (line.split() for line in scene.vm.run(["sh", "-c", script]).stdout.splitlines())
    return [(int(fields[0]), int(fields[1])) for fields in lines if len(fields) == 2]


def kernels_choice(scene: Scene) -> int:
    """The pid that the kernel's OOM killer takes when it is called by hand (sysrq f): the same choice as in need.

    In need an emulated machine was seen to thrash for more than five minutes before the kernel called it.
    """
    said = len(scene.vm.console())
    scene.vm.write("/proc/sysrq-trigger", "f")
    return killed_by_kernel(scene, said)[0]


def killed_by_kernel(scene: Scene, said: int, why: str = "Out of memory") -> list[int]:
    """The pids, at least one, that the kernel has killed after the first `said` characters of its console."""

    def pids() -> list[int]:
        return [int(pid) for pid in re.findall(rf"{why}: Killed process (\d+)", scene.vm.console()[said:])]

    scene.wait_until("the kernel has killed", pids)
    return pids()


def pid_in(scene: Scene, pod: Pod) -> int:
    ((pid, _),) = processes(scene, pod)
    return pid


@pytest.mark.parametrize(
    ("is_shaped", "victim"), [pytest.param(False, CRITICAL, id="left-alone"), pytest.param(True, BATCH, id="shaped")]
)
def test_the_kernels_own_choice_on_the_node(scene: Scene, is_shaped: bool, victim: Pod) -> None:
    critical, batch, hog = scene.hold(CRITICAL, 300), scene.hold(BATCH, 200), scene.hold(HOG, 100)
    if is_shaped:
        print(shape(scene), values(scene))
        assert (values(scene)["batch"], values(scene)["crit"]) == ({FIRST}, {PROTECTED})
    expected = pid_in(scene, victim)
    assert kernels_choice(scene) == expected
    if is_shaped:
        assert batch.wait(GENEROUS).returncode == KILLED
        kernels_choice(scene)
        assert hog.wait(GENEROUS).returncode == KILLED
        assert critical.returncode is None


def test_the_kernels_own_choice_at_the_pods_own_limit(scene: Scene) -> None:
    critical, batch = scene.hold(CRITICAL, 300), scene.hold(BATCH, 200)
    shape(scene)
    expected, said = pid_in(scene, BATCH), len(scene.vm.console())
    scene.vm.write(f"{CGROUPS}/kubepods/memory.max", str(400 << 20))
    assert batch.wait(GENEROUS).returncode == KILLED
    first, *others = killed_by_kernel(scene, said, "Memory cgroup out of memory")
    assert first == expected
    print("killed after the first:", others, "critical:", critical.returncode)


def forking(scene: Scene) -> None:
    """In each container two processes, one of which forks for ever."""
    for pod in PODS:
        for argv in (FORKS, ["sleep", "infinity"]):
            scene.start(pod.container_path, argv, oom_score_adj=pod.oom_score_adj)
    scene.wait_until("all are there", lambda: all(len(processes(scene, pod)) >= 2 for pod in PODS))


ORIGINALS = {pod.name: {pod.oom_score_adj} for pod in PODS}


@pytest.mark.parametrize("writes", [0, 1, 4], ids=["before-the-first-write", "after-one", "in-the-middle"])
def test_after_a_crash_the_next_one_puts_everything_back(scene: Scene, writes: int) -> None:
    forking(scene)
    shape(scene, killed_after=writes)
    assert {one["path"] for one in recorded(scene)} == {pod.container_path for pod in PODS}
    assert (values(scene) == ORIGINALS) == (writes == 0)
    forking(scene)
    assert "problem None" in shape(scene, "restore")
    assert values(scene) == ORIGINALS
    assert scene.vm.run(["test", "-e", f"{STATE}/adjusted.json"], check=False).returncode == 1


def test_after_a_crash_while_putting_back_the_next_one_puts_everything_back(scene: Scene) -> None:
    forking(scene)
    shape(scene)
    assert (values(scene)["batch"], values(scene)["crit"]) == ({FIRST}, {PROTECTED})
    shape(scene, "restore", killed_after=2)
    assert values(scene) != ORIGINALS
    shape(scene, "restore")
    assert values(scene) == ORIGINALS


def recorded(scene: Scene) -> list[dict[str, object]]:
    containers: list[dict[str, object]] = json.loads(scene.vm.read(f"{STATE}/adjusted.json"))["containers"]
    return containers


def test_who_is_never_to_be_killed_stays_so_and_nobody_else_becomes_so(scene: Scene) -> None:
    forking(scene)
    exempt = [scene.start(pod.container_path, ["sleep", "infinity"], oom_score_adj=-1000) for pod in PODS]
    scene.wait_until("they are there", lambda: all(-1000 in values(scene)[pod.name] for pod in PODS))
    before = {pod.name: [pid for pid, value in processes(scene, pod) if value == -1000] for pod in PODS}
    for what in ("apply", "apply", "restore"):
        shape(scene, what)
        after = {pod.name: [pid for pid, value in processes(scene, pod) if value == -1000] for pod in PODS}
        assert after == before
    assert values(scene) == {name: found | {-1000} for name, found in ORIGINALS.items()}
    assert all(process.returncode is None for process in exempt)


def tenant(scene: Scene) -> GuestProcess:
    """A process of another user."""
    user = ["setpriv", f"--reuid={TENANT}", f"--regid={TENANT}", "--clear-groups"]
    process = scene.start(BATCH.container_path, [*user, "sleep", "infinity"], oom_score_adj=BATCH.oom_score_adj)
    scene.wait_until("it is the tenant's", lambda: _owner(scene) == [TENANT])
    return process


def _owner(scene: Scene) -> list[str]:
    pids = [pid for pid, _ in processes(scene, BATCH)]
    return [scene.vm.run(["stat", "-c", "%u", f"/proc/{pid}/oom_score_adj"]).stdout.strip() for pid in pids]


@pytest.mark.parametrize(
    ("without", "value", "problem"),
    [
        pytest.param(None, FIRST, "problem None", id="with-all"),
        pytest.param("dac_override", BATCH.oom_score_adj, "Permission denied", id="without-dac_override"),
    ],
)
def test_to_adjust_another_users_process_takes_dac_override(
    scene: Scene, without: str | None, value: int, problem: str
) -> None:
    tenant(scene)
    assert problem in shape(scene, without=without)
    assert values(scene)["batch"] == {value}


def test_to_lower_what_was_raised_takes_sys_resource(scene: Scene) -> None:
    tenant(scene)
    shape(scene)
    assert "Permission denied" in shape(scene, "restore", without="sys_resource")
    assert values(scene)["batch"] == {FIRST}
    assert "problem None" in shape(scene, "restore")
    assert values(scene)["batch"] == {BATCH.oom_score_adj}
