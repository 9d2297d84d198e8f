"""The guard is killed at any instant, or its disk fails: nobody dies for it who should not, and no record is lost."""

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from guard_scene import CGROUPS, GENEROUS, STATE, Guard, Pod, Scene
from lab.guest_process import GuestProcess
from lab.vm import VM
from proofs import WHOLE
from shortages import HELD, KILLED, NEXT, PROTECTED, THIRD, VICTIM, WATCHERS, Record, brought_about, exhausting, moment

pytestmark = pytest.mark.vm

COOLDOWN = 5.0
IN_COOLDOWN = f"Acting although the last kill is less than {COOLDOWN:g} s ago"
ROUNDS = 8 if WHOLE else 2
SEED = 5
LATEST = 60.0
"""Milliseconds: a decision takes twenty to two hundred here."""
RING = "/run/oompolicy/intents"
JOURNAL = f"{STATE}/outbox/decisions.jsonl"
IMAGE = "/root/state.img"
SUPERVISOR = f"""
echo $$ > {CGROUPS}/guard/cgroup.procs
while ! test -e /run/enough; do python3 -m oompolicy_agent.guard run --state-directory {STATE}; done
"""


@dataclass(frozen=True)
class Instant:
    """When the guard is killed."""

    on: str
    path: str
    delay: float


@pytest.fixture
def scene(vm: VM) -> Iterator[Scene]:
    scene = Scene(vm)
    yield scene
    scene.clear()
    vm.run(["rm", "-rf", "/run/oompolicy"])


def instants(seed: int, count: int) -> Iterator[Instant]:
    """Around a decision: when memory has become short, when the intent is kept, when the record is on disk."""
    chance = random.Random(seed)  # noqa: S311 - so that a failure can be had again
    for _ in range(count):
        on, path = chance.choice([("margin", "100"), ("bytes", RING), ("size", JOURNAL)])
        yield Instant(on, path, round(chance.uniform(0, LATEST), 1))


def pids(process: GuestProcess) -> list[int]:
    """Of the guards that a supervisor has started so far."""
    lines = [json.loads(line) for line in process.stdout.splitlines() if line.endswith("}")]
    return [int(line["pid"]) for line in lines if line["message"] == "Started"]


@contextmanager
def supervised(scene: Scene) -> Iterator[GuestProcess]:
    """Guards, each started as soon as the one before has died; the last one ends on request."""
    scene.vm.run(["rm", "-f", "/run/enough"])
    supervisor = scene.vm.start(["sh", "-c", SUPERVISOR])
    scene.running.append(supervisor)
    supervisor.wait_for("Backend is", GENEROUS)
    yield supervisor
    scene.vm.write("/run/enough", "")
    scene.vm.run(["sh", "-c", f"kill {pids(supervisor)[-1]}"])
    assert supervisor.wait(GENEROUS).returncode == 0


def test_killed_at_any_instant_it_is_followed_by_one_that_goes_on(scene: Scene) -> None:
    """No second victim for the same shortage, one record a decision; where the shortage lasts, the cooldown holds."""
    scene.build(VICTIM, NEXT, PROTECTED)
    for number, instant in enumerate(instants(SEED, ROUNDS)):
        lasts = number % 2 == 1
        records = crashed(scene, instant, lasts=lasts)
        seen = [(record["victim"]["pod"], record["outcome"], record["tasksSignalled"]) for record in records]
        print(f"round {number}: killed {instant.delay} ms after {instant.on}, lasting: {lasts}:", seen)


def crashed(scene: Scene, instant: Instant, *, lasts: bool) -> list[Record]:
    """One round: a shortage, a guard that dies at the instant, and one that follows. Returns what the journal has.

    Args:
        scene: with nobody but sandboxes in it.
        instant: when the first guard is killed.
        lasts: whether somebody takes what the kill has freed, so that there is a second shortage at once.
    """
    scene.vm.run(["rm", "-rf", STATE, "/run/oompolicy"])
    scene.tell()
    victim, following = scene.hold(VICTIM, HELD), scene.hold(NEXT, HELD)
    with supervised(scene) as supervisor:
        (pid,) = pids(supervisor)
        options = ["--guard", str(pid), "--on", instant.on, "--path", instant.path, "--delay", str(instant.delay)]
        killer = scene.vm.start([*WATCHERS, "crash", *options])
        killer.wait_for("watching", GENEROUS)
        hog = exhausting(scene) if lasts else brought_about(scene)
        assert killer.wait(GENEROUS).returncode == 0
        assert victim.wait(GENEROUS).returncode == KILLED
        scene.wait_until("the next guard works", lambda: len(pids(supervisor)) == 2 and scene.journal())
        if lasts:
            assert following.wait(GENEROUS).returncode == KILLED
            scene.wait_until("that is recorded", lambda: any(is_of(NEXT, record) for record in scene.journal()))
        said = supervisor.stdout
    records = scene.journal()
    assert hog.returncode is None
    assert scene.sandboxes_alive() == [pod.name for pod in scene.pods]
    check(records, lasts=lasts, could_wait=IN_COOLDOWN not in said)
    assert lasts or following.returncode is None, "nobody else dies for the same shortage"
    for process in (victim, following, hog):
        if process.returncode is None:
            process.kill()
            process.wait(GENEROUS)
    return records


def is_of(pod: Pod, record: Record) -> bool:
    """Whether it is the record of a kill in the pod."""
    return bool(record["victim"] and record["victim"]["pod"] == pod.name)


def check(records: list[Record], *, lasts: bool, could_wait: bool) -> None:
    """One complete record a decision, the right victims in the right order, and the cooldown between them.

    Unless the guard has said that it can't keep to that: where a kill takes long to give memory back, as on a busy
    machine, waiting for the end of the cooldown would hand the choice to the kernel.
    """
    ids = [record["id"] for record in records]
    assert len(set(ids)) == len(ids)
    assert not [record for record in records if record["outcome"] == "Pending"]
    of_victim = [record for record in records if is_of(VICTIM, record)]
    of_next = [record for record in records if is_of(NEXT, record)]
    assert of_victim, "whoever died has a record"
    assert bool(of_next) == lasts
    first = min(moment(record) for record in of_victim)
    assert not could_wait or all(moment(record) - first >= COOLDOWN - 0.1 for record in of_next)


@pytest.fixture
def own_disk(scene: Scene) -> Iterator[None]:
    """Takes down what a test has mounted in place of the state directory."""
    yield
    for guard in scene.guards:
        guard.process.kill()
        guard.process.wait(GENEROUS)
    scene.vm.run(["sh", "-c", f"until umount {STATE}; do sleep 0.1; done; rm -f {IMAGE}"])


def mounted(scene: Scene, *arguments: str) -> None:
    """The state directory on a disk of its own."""
    scene.vm.run(["mount", "--mkdir", *arguments, STATE])


def shortage_takes(scene: Scene, process: GuestProcess) -> None:
    """Brings a shortage about, in which this one dies."""
    hog = brought_about(scene)
    assert process.wait(GENEROUS).returncode == KILLED
    assert hog.returncode is None
    hog.kill()
    hog.wait(GENEROUS)


def victims_in(scene: Scene) -> list[str]:
    """The pods that the journal names, oldest first."""
    return [record["victim"]["pod"] for record in scene.journal()]


@pytest.mark.usefixtures("own_disk")
def test_a_full_disk_keeps_nobody_from_deciding_and_loses_nothing(scene: Scene) -> None:
    """A page of the journal may have room for one more record on a full disk, but never for two."""
    mounted(scene, "-t", "tmpfs", "-o", "size=256k", "tmpfs")
    guard, victim, following = set_up(scene)
    third = scene.hold(THIRD, HELD)
    shortage_takes(scene, victim)
    scene.wait_until("the first is recorded", lambda: victims_in(scene) == ["victim"])
    before = scene.vm.read(JOURNAL)

    scene.vm.run(["sh", "-c", f"cat /dev/zero > {STATE}/filler"], check=False)
    shortage_takes(scene, following)
    shortage_takes(scene, third)
    scene.wait_until("it says so", lambda: guard.said("Could not write the journal"))
    assert "No space left" in guard.said("Could not write the journal")[0]["err"]
    assert scene.vm.read(JOURNAL).startswith(before)
    assert victims_in(scene) in (["victim"], ["victim", "next"])

    scene.vm.run(["rm", f"{STATE}/filler"])
    scene.wait_until("all are recorded", lambda: victims_in(scene) == ["victim", "next", "third"])
    assert scene.vm.read(JOURNAL).startswith(before)
    scene.wait_until("all is well again", lambda: not scene.status()["problems"])


@pytest.mark.usefixtures("own_disk")
def test_a_disk_that_turns_read_only_keeps_nobody_from_deciding_and_loses_nothing(scene: Scene) -> None:
    """As ext4 does after an error. The next guard, on a disk that was repaired, writes what this one could not."""
    scene.vm.run(["sh", "-ec", f"truncate -s 8M {IMAGE}; mkfs.ext4 -q {IMAGE}; modprobe loop"])
    mounted(scene, "-o", "loop,errors=remount-ro", IMAGE)
    guard, victim, following = set_up(scene)
    scene.vm.run(["sync"])
    shortage_takes(scene, victim)
    scene.wait_until("the first is recorded", lambda: victims_in(scene) == ["victim"])
    before = scene.vm.read(JOURNAL)

    device = scene.vm.run(["findmnt", "--noheadings", "--output", "SOURCE", STATE]).stdout.strip()
    scene.vm.write(f"/sys/fs/ext4/{device.rpartition('/')[2]}/trigger_fs_error", "broken on purpose")
    assert scene.vm.run(["touch", f"{STATE}/new"], check=False).returncode != 0
    shortage_takes(scene, following)
    scene.wait_until("it says so", lambda: guard.said("Could not write the journal"))
    assert "Read-only file system" in guard.said("Could not write the journal")[0]["err"]

    guard.process.kill()
    guard.process.wait(GENEROUS)
    repair = f"until umount {STATE}; do sleep 0.1; done; fsck.ext4 -y {IMAGE}"
    scene.vm.run(["sh", "-c", repair], check=False)  # its code says that it has repaired something
    mounted(scene, "-o", "loop", IMAGE)
    scene.guard()
    scene.wait_until("the second is recorded, too", lambda: victims_in(scene) == ["victim", "next"])
    assert scene.vm.read(JOURNAL).startswith(before)


@pytest.mark.usefixtures("own_disk")
def test_a_guard_that_starts_on_a_read_only_disk_decides_and_records_once_it_can(scene: Scene) -> None:
    mounted(scene, "-t", "tmpfs", "-o", "size=1m", "tmpfs")
    guard, victim, _ = set_up(scene)
    guard.stop()
    scene.vm.run(["mount", "-o", "remount,ro", STATE])
    guard = scene.guard()
    shortage_takes(scene, victim)
    scene.wait_until("it says so", lambda: guard.said("Could not write the journal"))
    scene.vm.run(["mount", "-o", "remount,rw", STATE])
    scene.wait_until("it is recorded, too", lambda: victims_in(scene) == ["victim"])


def set_up(scene: Scene) -> tuple[Guard, GuestProcess, GuestProcess]:
    """A guard, and the first and second in its order."""
    scene.build(VICTIM, NEXT, THIRD, PROTECTED)
    scene.tell()
    return scene.guard(), scene.hold(VICTIM, HELD), scene.hold(NEXT, HELD)
