"""OOM events in a row, with random trees of pods and random priorities: who died is held against the specification."""

import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from guard_scene import CGROUPS, Scene
from lab.vm import PROJECT, VM
from proofs import WHOLE
from random_oom.draw import Drawn, drawn

pytestmark = pytest.mark.vm

Boot = Callable[..., AbstractContextManager[VM]]

COUNT = int(os.environ.get("OOMPOLICY_OOM_EVENTS", "200" if WHOLE else "10"))
SEED = int(os.environ.get("OOMPOLICY_OOM_SEED", "1"))
FAST_SHARE = 0.1
"""Of the events: in them memory is taken as fast as the machine can, which may be more than can be survived."""
SECONDS_PER_EVENT = 30
MIB = 1 << 20
EVENTS = "/root/events.jsonl"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened in one event."""

    event: Drawn
    report: dict[str, Any]

    @property
    def is_right(self) -> bool:
        """Whether the right one died, or the right ones, and nobody else."""
        return self.report["problem"] is None and self.event.is_right(frozenset(path for path, _ in self.deaths))

    @property
    def deaths(self) -> list[tuple[str, float]]:
        """Memcgs of containers, with the seconds since the growth began."""
        return [(path, seconds) for path, seconds in self.report["deaths"]]

    @property
    def is_fast(self) -> bool:
        """Whether memory was taken as fast as the machine could, whatever the guard says it can survive."""
        return self.event.speed == 0

    def __str__(self) -> str:
        rate = "as fast as it can" if self.is_fast else f"{self.report['bytesPerSecond'] / MIB:.0f} MiB/s"
        reasons = [(record["trigger"] or {}).get("reason", record["outcome"]) for record in self.report["records"]]
        kernel = f", {self.report['kernelKills']} by the kernel" if self.report["kernelKills"] else ""
        verdict = "right" if self.is_right else f"WRONG, expected {sorted(self.event.victim or ())}"
        return (
            f"{self.event}\n    {rate} {reasons} deaths {self.deaths}{kernel}: {verdict} {self.report['problem'] or ''}"
        )


@pytest.fixture
def scene(boot: Boot) -> Iterator[Scene]:
    with boot(memory_mib=512) as vm:
        # Moving a process into a memcg waits for all CPUs to have been quiet, unless this is asked for.
        vm.run(["mount", "-o", "remount,nsdelegate,memory_recursiveprot,favordynmods", CGROUPS])
        scene = Scene(vm)
        scene.build()
        yield scene
        scene.clear()


def test_in_a_row_of_random_shortages_nobody_dies_whom_the_specification_would_have_spared(scene: Scene) -> None:
    events = list(drawn(SEED, COUNT, FAST_SHARE))
    scene.tell(generation=0)
    guard = scene.guard()
    outcomes = play(scene, events)
    slow = [outcome for outcome in outcomes if not outcome.is_fast]
    wrong = [outcome for outcome in slow if not outcome.is_right]
    taken = [outcome for outcome in slow if outcome.report["kernelKills"]]
    print(summary(outcomes))
    print(*[one for one in outcomes if not one.is_right or one.report["kernelKills"]], sep="\n")
    assert len(outcomes) == COUNT
    assert guard.process.returncode is None
    assert wrong == []
    assert taken == [], "below the growth that it says it survives the guard must be first"
    assert scene.status()["kernelKills"] == sum(outcome.report["kernelKills"] for outcome in outcomes)


def play(scene: Scene, events: list[Drawn]) -> list[Outcome]:
    """Has the machine play all events."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.jsonl"
        path.write_text("".join(json.dumps(event.document()) + "\n" for event in events))
        scene.vm.push(path, EVENTS)
    process = scene.vm.start(["python3", "-m", "random_oom", EVENTS], env={"PYTHONPATH": f"{PROJECT}/tests/support"})
    scene.running.append(process)
    process.wait(SECONDS_PER_EVENT * len(events), check=True)
    reports = [json.loads(line) for line in process.stdout.splitlines()]
    return [Outcome(event, report) for event, report in zip(events, reports, strict=False)]


def summary(outcomes: list[Outcome]) -> str:
    """The figures of the whole row."""
    slow = [outcome for outcome in outcomes if not outcome.is_fast]
    fast = [outcome for outcome in outcomes if outcome.is_fast]
    steps = [sum(step) / len(outcomes) for step in zip(*(one.report["seconds"] for one in outcomes), strict=False)]
    lines = [
        f"{len(part)} events {how}: {sum(not one.is_right for one in part)} with a wrong victim, "
        f"{sum(bool(one.report['kernelKills']) for one in part)} in which the kernel killed"
        for how, part in (("below the stated growth", slow), ("as fast as the machine can", fast))
    ]
    domains = Counter(outcome.event.domain for outcome in outcomes)
    return "\n".join(
        [
            f"seed {SEED}: domains {dict(domains)}, victims {sum(len(outcome.deaths) for outcome in outcomes)}",
            *lines,
            f"seconds an event {sum(steps):.2f}: "
            + ", ".join(f"{step:.2f}" for step in steps)
            + " (build, targets, tighten, run out, settle, clear)",
        ]
    )
