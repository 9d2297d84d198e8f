"""The patches of agent/kernel: a BPF program decides who dies, and none can harm the kernel (`make test-kernel`)."""

import json
import os
import re
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from guard_scene import CGROUPS, GENEROUS, STATE, Guard, Pod, Scene
from lab import bpf
from lab.patched_kernel import is_built, patched_kernel
from lab.vm import PROJECT, VM, boot_vm
from proofs import WHOLE
from scenarios import SCENARIOS, Scenario

KERNEL = os.environ.get("OOMPOLICY_KERNEL", "")
"""Which configuration, or a kernel's image; empty: the minimal one, if somebody has built it."""

pytestmark = pytest.mark.vm

HANDLERS = Path(__file__).parents[1] / "support/kernel_oom/handlers.bpf.c"
DIRECTORY = "/opt/kernel-oom"
PATHS = {"PYTHONPATH": f"{PROJECT}/agent:{PROJECT}/tests/support"}
SPLATS = re.compile(r"^.*(?:WARNING:|BUG:|Oops|KASAN|INFO: task|possible .* detected|lock held).*$", re.MULTILINE)
EXDEV, EINVAL = -18, -22
EVENTS = int(os.environ.get("OOMPOLICY_OOM_EVENTS", "1000" if WHOLE else "100"))
DEATHS = 100 if WHOLE else 10
"""Of the process that has put the policy in force, each before a shortage."""
SEED = int(os.environ.get("OOMPOLICY_TREES_SEED", "3"))
SECONDS_PER_OOM = 10
"""Generous: with a handler that is loaded anew for each, one takes a second."""
SHORTAGES, SHORTAGES_OF_THE_NODE = 10, 2
"""The node thrashes for a while before it has run out."""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VM]:
    """One with the patched kernel, the policies, and their loader."""
    if not KERNEL and not is_built():
        pytest.skip("the kernel with the OOM hook is not built: `make test-kernel` builds it in a quarter of an hour")
    kernel = Path(KERNEL) if "/" in KERNEL else patched_kernel(KERNEL or "minimal")
    with boot_vm(kernel=kernel, memory_mib=512, folder=tmp_path_factory.mktemp("vm")) as vm:
        for path in bpf.programs(HANDLERS).iterdir():
            vm.push(path, f"{DIRECTORY}/{path.name}")
        yield vm


@pytest.fixture(autouse=True)
def no_splat(machine: VM) -> Iterator[None]:
    """Whatever a test has done, the kernel has nothing to complain of."""
    yield
    assert SPLATS.findall(machine.run(["dmesg"]).stdout) == []


def play(machine: VM, policy: str, victim: str = "small", *options: str) -> list[dict[str, Any]]:
    """Shortages with a policy in force, and what came of each."""
    times = SHORTAGES_OF_THE_NODE if "--of-the-node" in options else SHORTAGES
    fixed = ["--directory", DIRECTORY, "--policy", policy, "--victim", victim, "--times", str(times)]
    command = ["python3", "-m", "kernel_oom", *fixed, *options]
    shortages: list[dict[str, Any]] = json.loads(machine.run(command, env=PATHS, timeout=GENEROUS * 4).stdout)
    print(f"{policy}: {[shortage['seconds'] for shortage in shortages]} s", shortages[0])
    return shortages


@pytest.mark.parametrize("of", [pytest.param("--of-the-node", id="node"), pytest.param("", id="memcg")])
def test_whom_the_policy_chooses_dies_and_nobody_else(machine: VM, of: str) -> None:
    shortages = play(machine, "obey", "small", *filter(None, [of]))
    assert {(*one["died"], one["kills"], one["error"]) for one in shortages} == {("small", 1, 0)}
    assert all(bool(one["domain"]) == (not of) for one in shortages)


def test_without_a_policy_the_kernel_chooses_by_size_and_kills_one(machine: VM) -> None:
    """One, and not two: it waits for a victim that its iteration over tasks does not show any more."""
    shortages = play(machine, "none")
    assert {one["kills"] for one in shortages} == {1}
    assert all("small" not in one["died"] for one in shortages)


@pytest.mark.parametrize("policy", ["lie", "dawdle"])
def test_a_policy_that_kills_nobody_leaves_it_to_the_kernel(machine: VM, policy: str) -> None:
    shortages = play(machine, policy)
    assert all(one["asked"] >= 1 for one in shortages)
    assert [(len(one["died"]), one["kills"]) for one in shortages] == [(1, 1)] * SHORTAGES
    assert all("small" not in one["died"] for one in shortages)


def test_nobody_outside_the_memcg_that_has_run_out_can_be_killed(machine: VM) -> None:
    shortages = play(machine, "boast", "outside")
    assert [one["error"] for one in shortages] == [EXDEV] * SHORTAGES
    assert all("outside" not in one["died"] and one["kills"] == 1 for one in shortages)


def test_policies_may_come_and_go_while_memory_runs_out(machine: VM) -> None:
    shortages = play(machine, "obey", "small", "--detaching")
    assert [one["kills"] for one in shortages] == [1] * SHORTAGES
    print("attached and detached:", sum(one["detached"] for one in shortages))


def test_a_program_may_declare_an_oom_and_of_two_in_a_row_one_dies(machine: VM) -> None:
    """The second finds the first one's victim on its way out."""
    found = ours(machine, "declare")
    assert (found["refused"], found["answers"]) == ([EINVAL, EINVAL], [1, 1])
    assert (len(found["died"]), found["kills"]) == (1, 1)


@pytest.fixture(scope="module")
def by_terms(machine: VM) -> dict[str, Any]:
    """What came of a shortage with our policy, in terms that differ."""
    found: dict[str, Any] = ours(machine, "terms")
    return found


@pytest.fixture(scope="module")
def by_scenario(machine: VM) -> dict[str, list[str]]:
    """Who died in each scenario of the field, in order."""
    found: dict[str, list[str]] = ours(machine, "scenes")
    return found


def ours(machine: VM, what: str, *options: str, seconds: float = GENEROUS * 10) -> Any:  # noqa: ANN401 - any JSON
    command = ["python3", "-m", f"kernel_oom.{what}", f"--directory={DIRECTORY}", *options]
    return json.loads(machine.run(command, env=PATHS, timeout=seconds).stdout.splitlines()[-1])


@pytest.mark.parametrize("terms", ["enforce", "enforce-for-the-node"])
def test_our_policy_kills_whom_it_has_chosen_and_says_so(by_terms: dict[str, Any], terms: str) -> None:
    found = by_terms[terms]
    (verdict,) = found["verdicts"]
    print(terms, found)
    assert (found["died"], found["kills"]) == (["small"], 1)
    assert (verdict["outcome"], verdict["path"], verdict["killed"], verdict["eligible"]) == (
        "KILLED",
        "/arena/small",
        1,
        3,
    )


def test_in_audit_it_says_whom_it_would_have_killed_and_the_kernel_chooses(by_terms: dict[str, Any]) -> None:
    found = by_terms["audit"]
    assert {(one["outcome"], one["path"], one["killed"]) for one in found["verdicts"]} == {
        ("WOULD_KILL", "/arena/small", 0)
    }
    assert len(found["died"]) == found["kills"] == 1
    assert found["died"] != ["small"]


@pytest.mark.parametrize("terms", ["off", "expired"])
def test_when_it_is_off_or_has_expired_it_steps_aside(by_terms: dict[str, Any], terms: str) -> None:
    found = by_terms[terms]
    assert found["verdicts"] == []
    assert found["steppedAside"] >= 1
    assert found["died"] != ["small"]


@pytest.mark.parametrize("terms", ["service-that-nobody-named", "nested-by-a-tenant"])
def test_what_nobody_has_told_us_of_is_the_kernels_own_affair(by_terms: dict[str, Any], terms: str) -> None:
    found = by_terms[terms]
    assert (found["verdicts"], len(found["died"]), found["kills"]) == ([], 1, 1)
    assert found["notOurs"] >= 1


def test_it_holds_when_the_guard_is_dead_is_replaced_without_losing_a_word_and_goes_when_it_is_withdrawn(
    machine: VM,
) -> None:
    found = ours(machine, "lives", "--times", str(DEATHS))
    assert found["died"][:-1] == [["small"]] * (DEATHS + 1)
    assert found["died"][-1] != ["small"]
    assert found["left"] == [[], *[["/arena/small"]] * (DEATHS + 1)]
    assert found["names"] == []


@pytest.mark.timeout(GENEROUS * 2 + EVENTS * SECONDS_PER_OOM)
@pytest.mark.parametrize(
    ("events", "options"),
    [
        pytest.param(EVENTS, (), id="the-guard-is-there"),
        pytest.param(EVENTS if WHOLE else EVENTS // 5, ("--killed",), id="the-guard-is-killed-before-each"),
    ],
)
def test_on_random_trees_nobody_dies_whom_the_specification_would_have_spared(
    machine: VM, events: int, options: tuple[str, ...]
) -> None:
    counts = ("--events", str(events), "--seed", str(SEED))
    found = ours(machine, "trees", *counts, *options, seconds=GENEROUS + events * SECONDS_PER_OOM)
    print({name: value for name, value in found.items() if name != "wrong"})
    assert found["wrong"] == []
    assert found["events"] - found["unclear"] > events // 2


@pytest.mark.parametrize("scenario", [pytest.param(one, id=one.name) for one in SCENARIOS])
def test_trees_from_the_field_lose_the_right_ones_in_real_ooms(
    by_scenario: dict[str, list[str]], scenario: Scenario
) -> None:
    assert by_scenario[scenario.name] == list(scenario.order)


KILLED = -signal.SIGKILL
CRITICAL = Pod("crit", priority=900, qos="burstable")
BATCH = Pod("batch", priority=10)
HOG = Pod("hog", priority=20, qos="besteffort")
PODS_LIMIT = "260M"


@pytest.fixture
def scene(machine: VM) -> Iterator[Scene]:
    """Three pods at kubepods' limit, of which one will take ever more."""
    machine.run(["sh", "-c", "mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf"])
    scene = Scene(machine)
    scene.build(CRITICAL, BATCH, HOG)
    machine.write(f"{CGROUPS}/kubepods/memory.max", PODS_LIMIT)
    scene.tell()
    yield scene
    scene.clear()
    machine.python("from oompolicy_agent.guard.hook import withdraw; withdraw()")


def guarded(scene: Scene) -> Guard:
    """A guard whose handler is in force."""
    guard = scene.guard(f"--bpf-directory={DIRECTORY}")
    scene.wait_until("the handler is in force", lambda: scene.status().get("handler"))
    return guard


def run_out(scene: Scene) -> None:
    """Batch has to die first, then the hog, and the critical one never."""
    critical, batch = scene.hold(CRITICAL, 60), scene.hold(BATCH, 60)
    hog = scene.grow(HOG, 40)
    assert batch.wait(GENEROUS).returncode == KILLED
    assert hog.wait(GENEROUS).returncode == KILLED
    assert critical.returncode is None


def told(scene: Scene) -> list[tuple[str, str, str, str]]:
    """What the journal says."""
    return [(one["backend"], one["outcome"], one["victim"]["pod"], one["domain"]) for one in scene.journal()]


BOTH = [("KernelHook", "Killed", pod, "/kubepods") for pod in ("batch", "hog")]


def test_a_guard_leaves_it_to_the_kernel_that_asks_its_handler_and_tells_of_it(scene: Scene) -> None:
    guard = guarded(scene)
    assert guard.said("Backend is")[-1]["message"] == "Backend is KernelHook"
    run_out(scene)
    scene.wait_until("both are recorded", lambda: len(scene.journal()) >= len(BOTH))
    assert told(scene) == BOTH
    first = scene.journal()[0]
    print(first["why"], first["milliseconds"], first["ranking"])
    assert [layer["decidedBy"] for layer in first["layers"]][-1] == "OnlyChild"
    assert first["why"]
    status = scene.status()
    assert (status["backend"], status["kills"], status["kernelKills"]) == ("KernelHook", 2, 0)


def test_with_a_dead_guard_the_policy_holds_and_the_next_guard_tells_of_it(scene: Scene) -> None:
    guard = guarded(scene)
    guard.process.kill()
    guard.process.wait(GENEROUS)
    run_out(scene)
    scene.guard(f"--bpf-directory={DIRECTORY}")
    scene.wait_until("both are recorded", lambda: len(scene.journal()) >= len(BOTH))
    assert told(scene) == BOTH


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        pytest.param("0", [("batch", "Process"), ("batch", "Process"), ("hog", "Container")], id="one-by-one"),
        pytest.param("1", [("batch", "Container"), ("hog", "Container")], id="with-memory.oom.group"),
    ],
)
def test_of_a_pod_that_dies_by_the_process_the_largest_goes_first_unless_the_kernel_takes_all(
    scene: Scene, group: str, expected: list[tuple[str, str]]
) -> None:
    scene.pods[1] = replace(BATCH, unit="Process")
    scene.tell()
    scene.vm.write(f"{CGROUPS}{BATCH.container_path}/memory.oom.group", group)
    guarded(scene)
    small, large = scene.hold(BATCH, 20), scene.hold(BATCH, 60)
    assert scene.grow(HOG, 40).wait(GENEROUS).returncode == KILLED
    assert [small.wait(GENEROUS).returncode, large.wait(GENEROUS).returncode] == [KILLED, KILLED]
    scene.wait_until("all are recorded", lambda: len(scene.journal()) >= len(expected))
    victims = [record["victim"] for record in scene.journal()]
    assert [(victim["pod"], victim["unit"]) for victim in victims] == expected
    if group == "0":
        assert [victim["process"].partition("[")[0] for victim in victims[:2]] == ["workload", "workload"]
        assert victims[0]["usageBytes"] > 50 << 20 > victims[1]["usageBytes"]


def test_what_somebody_took_away_is_put_back(scene: Scene) -> None:
    guarded(scene)
    scene.vm.run(["rm", "-r", "/sys/fs/bpf/oompolicy"])
    scene.tell(generation=2)
    scene.wait_until("it is pinned", lambda: "oompolicy" in scene.vm.run(["ls", "/sys/fs/bpf"]).stdout)
    run_out(scene)
    scene.wait_until("both are recorded", lambda: len(scene.journal()) >= len(BOTH))
    assert told(scene) == BOTH


STAYS_EMPTY = 'for _ in $(seq 30); do [ -z "$(ls /sys/fs/bpf)" ] || exit 1; sleep 0.1; done'
"""Three seconds: a guard that has nothing to do looks once in a second."""


def test_a_policy_that_is_off_is_really_gone_and_so_is_everything_when_the_glass_is_broken(scene: Scene) -> None:
    guarded(scene)
    scene.tell(mode="Off", generation=2)
    scene.wait_until("nothing is pinned", lambda: not scene.vm.run(["ls", "/sys/fs/bpf"]).stdout.strip())
    scene.vm.run(["sh", "-c", STAYS_EMPTY])
    scene.tell(generation=3)
    scene.wait_until("it is pinned", lambda: "oompolicy" in scene.vm.run(["ls", "/sys/fs/bpf"]).stdout)
    scene.vm.run(["touch", f"{STATE}/break-glass"])
    scene.wait_until("nothing is pinned", lambda: not scene.vm.run(["ls", "/sys/fs/bpf"]).stdout.strip())
    scene.vm.run(["sh", "-c", STAYS_EMPTY])
    scene.vm.run(["rm", f"{STATE}/break-glass"])


REFUSED = """
import os, subprocess, sys
from kernel_oom.policy import Policies
from oompolicy_agent.guard.bpf import attach
policies = Policies(sys.argv[1])

def tried(what, cgroup=None):
    try:
        return policies.attach("obey", cgroup)
    except OSError as error:
        print(what, error.strerror)

os.makedirs("/sys/fs/cgroup/below", exist_ok=True)
tried("below:", os.open("/sys/fs/cgroup/below", os.O_RDONLY))
tried("file:", os.open("/etc/passwd", os.O_RDONLY))
tried("closed:", 999)
held = tried("first:")
tried("second:")
os.rmdir("/sys/fs/cgroup/below")
"""


def test_what_it_cannot_be_attached_to_is_refused(machine: VM) -> None:
    said = machine.run(["python3", "-c", REFUSED, DIRECTORY], env=PATHS).stdout.splitlines()
    assert said == [
        "below: Operation not supported",
        "file: Bad file descriptor",
        "closed: Bad file descriptor",
        "second: File exists",
    ]
