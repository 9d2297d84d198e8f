"""One run: a fresh machine, the three pods, one killer, one crisis."""

import json
import subprocess
from pathlib import Path
from typing import Any

from bench.killers import HOME, Killer
from bench.outcome import Outcome, outcome_of
from bench.scenarios import BATCH, BATCH_MEBIBYTES, CRIT, CRIT_MEBIBYTES, HOG, Scenario
from guard_scene import CGROUPS, GENEROUS, STATE, Pod, Scene
from lab.guest_process import GuestLostError, GuestProcess
from lab.vm import PROJECT, VM, boot_vm

__all__ = ["run"]

PROGRAMS = f"{PROJECT}/tests/support/bench/guest"
PAUSES = "/dev/shm/pauses"  # noqa: S108 - in the machine, where nobody else is
PYTHON_OF_ITS_OWN = "/root/python3"
IDLE_SECONDS = 10.0
DEADLOCKED = "System is deadlocked on memory"
"""The kernel's words when it panics because it finds nobody to kill."""
ANSWER_SECONDS = 120.0
"""For the watcher to get ready, and for the machine to answer after a crisis."""


def run(killer: Killer, scenario: Scenario, folder: Path) -> Outcome:
    """What came of it; a machine that never answers again, or has nobody left to kill, is an outcome too.

    Raises what the machine raises if it does not get as far as the crisis, or crashes for reasons of its emulation.
    `folder` keeps the console, the record and what the killer said.
    """
    with boot_vm(memory_mib=scenario.machine_mebibytes, folder=folder) as vm:
        scene, process = _prepared(vm, killer, scenario)
        try:
            record = _watch(scene.vm, scenario, has_killer=process is not None)
            said = _words(vm, process)
        except (GuestLostError, subprocess.TimeoutExpired) as error:
            if isinstance(error, GuestLostError) and DEADLOCKED not in vm.console():
                raise
            return Outcome(killer=killer.name, scenario=scenario.name, failure=type(error).__name__)
    (folder / "record.json").write_text(json.dumps(record))
    (folder / "killer.log").write_text(said)
    return outcome_of(killer.name, scenario.name, record, said)


def _prepared(vm: VM, killer: Killer, scenario: Scenario) -> tuple[Scene, GuestProcess | None]:
    """The pods at work, the hog waiting, the killer watching."""
    scene = Scene(vm)
    scene.build(CRIT, BATCH, HOG)
    if scenario.limit_mebibytes:
        vm.write(f"{CGROUPS}/kubepods/memory.max", f"{scenario.limit_mebibytes}M")
    scene.hold(BATCH, BATCH_MEBIBYTES)
    _start(scene, CRIT, "crit.py", str(CRIT_MEBIBYTES), PAUSES).wait_for("working", GENEROUS)
    _start(scene, HOG, "hog.py", str(scenario.mebibytes_per_second)).wait_for("waiting", GENEROUS)
    return scene, killer.start(scene)


def _start(scene: Scene, pod: Pod, program: str, *arguments: str) -> GuestProcess:
    argv = ["python3", f"{PROGRAMS}/{program}", *arguments]
    return scene.start(f"{pod.path}/{pod.container_id}", argv, oom_score_adj=pod.oom_score_adj)


def _watch(vm: VM, scenario: Scenario, *, has_killer: bool) -> dict[str, Any]:
    """Lets the hog go and returns the watcher's record."""
    order = {
        "containers": {pod.name: f"{pod.path}/{pod.container_id}" for pod in (CRIT, BATCH, HOG)},
        "limit": scenario.limit_mebibytes and scenario.limit_mebibytes << 20,
        "seconds": scenario.seconds,
        "pauses": PAUSES,
        "killer": HOME if has_killer else None,
        "idleSeconds": IDLE_SECONDS,
    }
    # A link would be the same file, whose pages the watcher locks; the copy costs every contender the same.
    vm.run(["sh", "-c", f"cp $(readlink -f /usr/bin/python3) {PYTHON_OF_ITS_OWN}"])
    argv = [PYTHON_OF_ITS_OWN, "-S", f"{PROGRAMS}/watcher.py", json.dumps(order)]
    printed = vm.run(argv, timeout=IDLE_SECONDS + scenario.seconds + ANSWER_SECONDS).stdout
    record: dict[str, Any] = json.loads(printed)
    return record


def _words(vm: VM, process: GuestProcess | None) -> str:
    """Everything in which a killer may have named its victims: its output, and our guard's journal."""
    journal = vm.run(["sh", "-c", f"cat {STATE}/outbox/decisions.jsonl 2>/dev/null"], check=False).stdout
    return f"{process.stdout}{process.stderr}{journal}" if process else ""
