"""What tests of kills need beside the scene: who dies in which order, how a shortage comes about, what is recorded."""

import dataclasses
import signal
from dataclasses import dataclass
from typing import Any

from guard_scene import CGROUPS, GENEROUS, Pod, Scene
from lab.guest_process import GuestProcess
from lab.vm import PROJECT
from oompolicy_agent.guard.clock import parse

__all__ = [
    "HELD",
    "KILLED",
    "LEFT",
    "MIB",
    "NEXT",
    "PROTECTED",
    "THIRD",
    "VICTIM",
    "VICTIMS",
    "WATCHERS",
    "Polite",
    "Record",
    "brought_about",
    "decided",
    "exhausting",
    "in_state",
    "moment",
    "procs",
    "start",
    "steady",
    "told",
    "unharmed",
]

Record = dict[str, Any]

VICTIM = Pod("victim", priority=10)
NEXT = Pod("next", priority=20, qos="burstable")
THIRD = Pod("third", priority=30, qos="burstable")
PROTECTED = Pod("ledger", protect="Always", qos="besteffort", oom_score_adj=-990)
"""Whoever runs here takes the node's memory, and may not die for it."""

MIB = 1 << 20
HELD = 150
"""MiB in each victim: with what is left, more than the threshold of 200 MiB again once it is freed."""
LEFT = 80
"""MiB available in a shortage: below half the threshold, above a quarter."""
NOISE = 2
"""MiB: the kernel's counters lag behind by as much."""
KILLED = -signal.SIGKILL
_PYTHON = ("env", f"PYTHONPATH={PROJECT}/tests/support", "python3", "-u", "-m")
VICTIMS = (*_PYTHON, "difficult.victims")
WATCHERS = (*_PYTHON, "difficult.watchers")
HURRIED = ("nice", "-n", "-20", *WATCHERS)
"""Whoever makes the shortage must not wait for a victim that keeps all CPUs busy."""


@dataclass(frozen=True)
class Polite(Pod):
    """A pod that is asked to end before it is killed."""

    grace_milliseconds: int = 2000
    restart_policy: str = "Always"

    @property
    def target(self) -> dict[str, Any]:
        """As any pod's, with what is special about it."""
        plain = Pod(**{field.name: getattr(self, field.name) for field in dataclasses.fields(Pod)})
        return plain.target | {"graceMilliseconds": self.grace_milliseconds, "restartPolicy": self.restart_policy}


def start(scene: Scene, pod: Pod, *arguments: str) -> GuestProcess:
    """One of `difficult.victims` in a pod; returns once it is as it should be."""
    process = scene.start(pod.container_path, [*VICTIMS, *arguments], oom_score_adj=pod.oom_score_adj)
    process.wait_for("holding", GENEROUS)
    return process


def brought_about(scene: Scene, *, leave: int = LEFT) -> GuestProcess:
    """A shortage: the protected one takes all but so much, once, and none of what is freed then."""
    steady(scene)
    command = [*HURRIED, "shorten", "--leave", str(leave)]
    process = scene.start(PROTECTED.container_path, command, oom_score_adj=PROTECTED.oom_score_adj)
    process.wait_for("leaves", GENEROUS)
    return process


def exhausting(scene: Scene, *, leave: int = LEFT) -> GuestProcess:
    """A shortage that lasts: the protected one takes all but so much, and whatever comes back."""
    command = [*WATCHERS, "exhaust", "--leave", str(leave), "--of", "node", "--again"]
    return scene.start(PROTECTED.container_path, command, oom_score_adj=PROTECTED.oom_score_adj)


def steady(scene: Scene) -> int:
    """MemAvailable in MiB, once it stands still: memory of somebody who has just died comes back by and by."""
    seen = [scene.available()]

    def stands() -> bool:
        seen.append(scene.available())
        return abs(seen[-1] - seen[-2]) <= NOISE

    scene.wait_until("what is available stands still", stands)
    return seen[-1]


def procs(scene: Scene, pod: Pod) -> list[str]:
    """Who is in the pod's container; exiting processes are not listed."""
    return scene.vm.read(f"{CGROUPS}{pod.container_path}/cgroup.procs").split()


def in_state(scene: Scene, pid: str, state: str) -> bool:
    """Whether a process is in the state that procfs calls by this letter."""
    return scene.vm.read(f"/proc/{pid}/stat").rpartition(")")[2].split()[0] == state


def decided(scene: Scene, count: int) -> list[Record]:
    """The first so many records, as soon as there are as many."""
    scene.wait_until(f"{count} decisions are recorded", lambda: len(scene.journal()) >= count)
    return scene.journal()[:count]


def told(record: Record) -> dict[str, Any]:
    """What a test prints of a record."""
    return {key: record[key] for key in ("outcome", "tasksSignalled", "freedBytes", "kernelKills", "milliseconds")}


def moment(record: Record) -> float:
    """When it was decided, in seconds of the wall clock."""
    return parse(record["time"]) or 0.0


def unharmed(scene: Scene, *processes: GuestProcess) -> None:
    """Nobody died who should not have, and the kernel had nothing to do."""
    assert [process.returncode for process in processes] == [None] * len(processes)
    assert scene.sandboxes_alive() == [pod.name for pod in scene.pods]
    assert scene.status()["kernelKills"] == 0
