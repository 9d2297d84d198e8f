"""Victims that die hard, on a real kernel: each wait ends, each record says what came of it, and then the next dies."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from guard_scene import CGROUPS, GENEROUS, Scene
from lab.guest_process import GuestProcess
from lab.vm import VM
from shortages import (
    HELD,
    KILLED,
    MIB,
    NEXT,
    PROTECTED,
    VICTIM,
    WATCHERS,
    brought_about,
    decided,
    in_state,
    moment,
    procs,
    start,
    told,
    unharmed,
)

pytestmark = pytest.mark.vm

Boot = Callable[..., AbstractContextManager[VM]]

STUCK_SECONDS = 1.0
"""Without a fall of its usage, a victim that does not go is given up."""
MOUNT = "/mnt/tenant"


@pytest.fixture
def scene(vm: VM) -> Iterator[Scene]:
    scene = Scene(vm)
    set_up(scene)
    yield scene
    scene.clear()


def set_up(scene: Scene) -> None:
    """The tree, its targets, and a guard."""
    scene.build(VICTIM, NEXT, PROTECTED)
    scene.tell()
    scene.guard()


@pytest.fixture
def disk(vm: VM) -> Iterator[str]:
    """An ext4 file system of its own, which a test may freeze; a path in it."""
    make = f"truncate -s 64M /root/disk.img && mkfs.ext4 -q /root/disk.img && modprobe loop && mkdir -p {MOUNT}"
    vm.run(["sh", "-ec", f"{make}; mount -o loop /root/disk.img {MOUNT}"])
    yield f"{MOUNT}/file"
    vm.run(["fsfreeze", "--unfreeze", MOUNT], check=False)
    vm.run(["sh", "-c", f"until umount {MOUNT}; do sleep 0.1; done; rm /root/disk.img"])


def stopped(scene: Scene) -> None:
    scene.vm.run(["sh", "-c", f"kill -STOP {held(scene)}"])


def held(scene: Scene) -> str:
    """A plain victim, and its pid."""
    scene.hold(VICTIM, HELD)
    (pid,) = procs(scene, VICTIM)
    return pid


def frozen(scene: Scene) -> None:
    held(scene)
    scene.vm.write(f"{CGROUPS}{VICTIM.container_path}/cgroup.freeze", "1")
    events = f"{CGROUPS}{VICTIM.container_path}/cgroup.events"
    scene.wait_until("it is frozen", lambda: "frozen 1" in scene.vm.read(events))


def traced(scene: Scene, *options: str) -> None:
    tracer = scene.vm.start([*WATCHERS, "trace", "--pid", held(scene), *options])
    scene.running.append(tracer)
    tracer.wait_for("traced", GENEROUS)


def forking(scene: Scene) -> None:
    scene.vm.write(f"{CGROUPS}{VICTIM.container_path}/pids.max", "60")
    start(scene, VICTIM, "bomb", "--mebibytes", str(HELD))
    scene.wait_until("there are many", lambda: len(procs(scene, VICTIM)) > 30)


def sharing(scene: Scene, *options: str) -> None:
    start(scene, VICTIM, "share", "--mebibytes", str(HELD), *options)
    assert len(procs(scene, VICTIM)) == 2


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(stopped, id="stopped"),
        pytest.param(frozen, id="in-a-frozen-cgroup"),
        pytest.param(traced, id="stopped-by-a-tracer"),
        pytest.param(forking, id="forking-all-the-time"),
        pytest.param(lambda scene: sharing(scene, "--vfork"), id="vfork-parent-and-child"),
        pytest.param(sharing, id="sharing-one-address-space"),
    ],
)
def test_a_victim_dies_whole_whatever_its_state_and_then_the_next(scene: Scene, make: Callable[[Scene], None]) -> None:
    make(scene)
    following = scene.hold(NEXT, HELD)
    critical = brought_about(scene)

    (first,) = decided(scene, 1)
    print(told(first))
    assert (first["victim"]["pod"], first["outcome"]) == ("victim", "Killed")
    assert first["freedBytes"] > HELD * MIB // 2
    assert first["tasksSignalled"] >= 1
    assert procs(scene, VICTIM) == []
    assert following.returncode is None
    then_the_next_dies(scene, following, critical)


def then_the_next_dies(scene: Scene, following: GuestProcess, critical: GuestProcess) -> None:
    """Another shortage takes the next in order, and nobody else ever died."""
    count = len(scene.journal())
    another = brought_about(scene)
    record = decided(scene, count + 1)[-1]
    assert (record["victim"]["pod"], record["outcome"]) == ("next", "Killed")
    assert following.wait(GENEROUS).returncode == KILLED
    unharmed(scene, critical, another)


def test_one_that_a_tracer_does_not_let_exit_costs_a_bounded_wait(scene: Scene) -> None:
    """Who asked to be told of its tracee's exit holds even the killed; but its memory can be taken meanwhile."""
    traced(scene, "--at-exit")
    following = scene.hold(NEXT, HELD)
    critical = brought_about(scene)
    (first,) = decided(scene, 1)
    print(told(first))
    assert (first["victim"]["pod"], first["outcome"], first["tasksSignalled"]) == ("victim", "GaveUp", 1)
    assert first["freedBytes"] > HELD * MIB // 2
    then_the_next_dies(scene, following, critical)


def uninterruptible(scene: Scene, disk: str, *options: str) -> str:
    """A victim in D state, and its pid."""
    start(scene, VICTIM, "write", "--mebibytes", str(HELD), "--path", disk, *options)
    scene.vm.run(["fsfreeze", "--freeze", MOUNT])
    (pid,) = procs(scene, VICTIM)
    scene.wait_until("it is in D state", lambda: in_state(scene, pid, "D"))
    return pid


def dies_once_it_can(scene: Scene) -> None:
    """Nobody holds a grudge: what was given up ends when its file system thaws, and that is no decision."""
    count = len(scene.journal())
    scene.vm.run(["fsfreeze", "--unfreeze", MOUNT])
    scene.wait_until("it dies", lambda: not procs(scene, VICTIM))
    assert len(scene.journal()) == count


def test_one_in_d_state_stays_but_its_memory_comes_back(scene: Scene, disk: str) -> None:
    pid = uninterruptible(scene, disk)
    following = scene.hold(NEXT, HELD)
    critical = brought_about(scene)
    (first,) = decided(scene, 1)
    print(told(first))
    assert (first["victim"]["pod"], first["outcome"], first["tasksSignalled"]) == ("victim", "GaveUp", 1)
    assert first["freedBytes"] > HELD * MIB // 2, "process_mrelease frees what is its own"
    assert in_state(scene, pid, "D")
    assert following.returncode is None
    then_the_next_dies(scene, following, critical)
    dies_once_it_can(scene)


def test_one_in_d_state_that_frees_nothing_is_given_up_for_the_next(scene: Scene, disk: str) -> None:
    """S11: skipped after a bounded wait, next in order, still one kill at a time."""
    pid = uninterruptible(scene, disk, "--shared")
    following = scene.hold(NEXT, HELD)
    critical = brought_about(scene)
    first, second = decided(scene, 2)
    print(told(first), told(second), "seconds between:", moment(second) - moment(first))
    assert (first["victim"]["pod"], first["outcome"], first["tasksSignalled"]) == ("victim", "GaveUp", 1)
    assert first["freedBytes"] < HELD * MIB // 4
    assert (second["victim"]["pod"], second["outcome"]) == ("next", "Killed")
    assert moment(second) - moment(first) >= STUCK_SECONDS
    assert following.wait(GENEROUS).returncode == KILLED
    assert in_state(scene, pid, "D")
    unharmed(scene, critical)
    dies_once_it_can(scene)


def test_a_big_victim_that_goes_slowly_is_waited_for(boot: Boot) -> None:
    """1 GiB in small pages and 16,000 mappings takes longer than a victim that frees nothing is given."""
    with boot(memory_mib=2048) as vm:
        scene = Scene(vm)
        set_up(scene)
        victim = start(scene, VICTIM, "crumble", "--mebibytes", "1024")
        following = scene.hold(NEXT, HELD)
        critical = brought_about(scene)
        assert victim.wait(GENEROUS).returncode == KILLED
        (first,) = decided(scene, 1)
        print(told(first))
        assert (first["victim"]["pod"], first["outcome"]) == ("victim", "Killed")
        assert first["freedBytes"] > 512 * MIB
        assert len(scene.journal()) == 1
        unharmed(scene, critical, following)


def test_who_shares_the_victims_memory_in_a_protected_pod_lives(scene: Scene) -> None:
    """The memory stays with whoever is left; that is recorded, and the next in order goes."""
    sharing(scene)
    _, child = procs(scene, VICTIM)
    scene.vm.write(f"{CGROUPS}{PROTECTED.container_path}/cgroup.procs", child)
    following = scene.hold(NEXT, HELD)
    critical = brought_about(scene)
    first, second = decided(scene, 2)
    print(told(first), told(second))
    assert (first["victim"]["pod"], first["outcome"]) == ("victim", "Futile")
    assert first["freedBytes"] < HELD * MIB // 4
    assert second["victim"]["pod"] == "next"
    assert following.wait(GENEROUS).returncode == KILLED
    assert in_state(scene, child, "S")
    unharmed(scene, critical)


def test_a_process_that_asks_never_to_be_killed_is_spared_in_a_victim(scene: Scene) -> None:
    victim = scene.hold(VICTIM, HELD)
    spared = scene.start(VICTIM.container_path, ["sleep", "infinity"], oom_score_adj=-1000)
    following = scene.hold(NEXT, HELD)
    critical = brought_about(scene)
    (first,) = decided(scene, 1)
    print(told(first))
    assert (first["victim"]["pod"], first["outcome"], first["tasksSignalled"]) == ("victim", "Killed", 1)
    assert victim.wait(GENEROUS).returncode == KILLED
    assert spared.returncode is None
    then_the_next_dies(scene, following, critical)
