"""How fast the guard kills one after the other: cooldown, budget, and the time a victim is given to end by itself."""

from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest

from guard_scene import GENEROUS, Guard, Pod, Scene
from lab.guest_process import GuestProcess
from lab.vm import VM
from proofs import WHOLE
from shortages import (
    HELD,
    KILLED,
    MIB,
    NEXT,
    PROTECTED,
    VICTIM,
    Polite,
    decided,
    exhausting,
    moment,
    start,
    steady,
    told,
    unharmed,
)

pytestmark = pytest.mark.vm

COOLDOWN = 5.0
SLACK = 0.1
"""Seconds: a record's time is that of its decision, the cooldown counts from the signal before."""
ALMOST_HALF = 90
"""MiB: below half of the threshold, and with room for what a command takes until a quarter."""
MANY = tuple(Pod(f"job-{number}", priority=number, qos="besteffort", oom_score_adj=500) for number in range(6))
BUDGET = {"cooldownSeconds": 2, "maximumKills": 3, "windowSeconds": 300}
LASTS_SECONDS = 60 if WHOLE else 15
GRACE = 2000
OWN_CODE = 3


@pytest.fixture
def scene(vm: VM) -> Iterator[Scene]:
    scene = Scene(vm)
    yield scene
    scene.clear()


def set_up(scene: Scene, *pods: Pod, budget: dict[str, int] | None = None) -> Guard:
    """The tree, its targets, and a guard."""
    scene.build(*pods, PROTECTED)
    scene.tell(budget=budget)
    return scene.guard()


def test_a_second_shortage_right_after_a_kill_waits_for_the_cooldown(scene: Scene) -> None:
    """S16: it comes 300 ms after the first victim has gone. The order stays what it was.

    Where that kill took so long that another could not wait for it, the guard says that it acts all the same.
    """
    guard = set_up(scene, VICTIM, NEXT)
    scene.hold(VICTIM, HELD)
    scene.hold(NEXT, HELD)
    hog = exhausting(scene)
    first, second = decided(scene, 2)
    print(told(first), told(second), "seconds between:", moment(second) - moment(first))
    assert [record["victim"]["pod"] for record in (first, second)] == ["victim", "next"]
    has_waited = moment(second) - moment(first) >= COOLDOWN - SLACK
    assert has_waited or guard.said("Acting although the last kill is less than 5 s ago")
    unharmed(scene, hog)


def test_a_shortage_that_lasts_costs_no_more_than_the_budget(scene: Scene) -> None:
    """S25: one at a time, in order, and nobody is skipped; then the guard waits, and says that it does."""
    guard = set_up(scene, *MANY, budget=BUDGET)
    jobs = [scene.hold(pod, 60) for pod in MANY]
    hog = exhausting(scene, leave=ALMOST_HALF)
    decided(scene, BUDGET["maximumKills"])
    scene.vm.run(["sleep", str(LASTS_SECONDS)], timeout=GENEROUS)  # nothing else runs, nothing else takes memory
    records = scene.journal()
    assert [record["victim"]["pod"] for record in records] == [pod.name for pod in MANY[: BUDGET["maximumKills"]]]
    for earlier, later in pairwise(records):
        assert moment(later) - moment(earlier) >= BUDGET["cooldownSeconds"] - SLACK
    assert guard.said("Waiting although memory is short: 3 kills in 300 s are spent")
    assert scene.available() * MIB < records[0]["trigger"]["thresholdBytes"] // 2, "it was short all the time"
    unharmed(scene, hog, *jobs[BUDGET["maximumKills"] :])


def slowly(scene: Scene) -> GuestProcess:
    """A shortage that would take twenty seconds to become serious."""
    scene.fill(PROTECTED, steady(scene) - 150)
    return scene.grow(PROTECTED, 2)


def fast(scene: Scene) -> GuestProcess:
    """A shortage that leaves no time for anything."""
    scene.fill(PROTECTED, steady(scene) - 250)
    return scene.grow(PROTECTED, 60)


@pytest.mark.parametrize(
    ("pod", "ignoring", "shortage", "code", "given"),
    [
        pytest.param(Polite("victim", 10), False, slowly, OWN_CODE, GRACE, id="who-frees-in-time-ends-by-itself"),
        pytest.param(Polite("victim", 10), True, slowly, KILLED, GRACE, id="who-ignores-it-is-killed-at-its-end"),
        pytest.param(
            Polite("victim", 10, restart_policy="Never"), False, slowly, KILLED, 0, id="a-job-is-not-asked-to-end"
        ),
        pytest.param(Polite("victim", 10), False, fast, KILLED, 0, id="there-is-no-grace-without-time"),
    ],
)
def test_grace(  # noqa: PLR0917 - the cases have as many parts
    scene: Scene, pod: Pod, ignoring: bool, shortage: Callable[[Scene], GuestProcess], code: int, given: int
) -> None:
    set_up(scene, pod, NEXT)
    victim = start(scene, pod, "soften", "--mebibytes", str(HELD), *(["--ignoring"] if ignoring else []))
    following = scene.hold(NEXT, HELD)
    hog = shortage(scene)
    assert victim.wait(GENEROUS).returncode == code
    (record,) = decided(scene, 1)
    hog.kill()
    print(told(record), record["trigger"])
    assert (record["victim"]["pod"], record["outcome"], record["graceMilliseconds"]) == ("victim", "Killed", given)
    assert ("got SIGTERM" in victim.stdout) == (given > 0)
    if ignoring:
        assert record["milliseconds"]["signalToEmpty"] >= GRACE
    assert following.returncode is None
