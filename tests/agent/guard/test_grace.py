"""Whether a victim is asked to end before it is killed."""

import pytest

from oompolicy_agent.guard.grace import grace_of
from oompolicy_agent.guard.records import Victim
from oompolicy_agent.guard.targets import PodTarget, Targets
from oompolicy_agent.guard.trigger import Sample, Trigger
from oompolicy_agent.guard.watch import Shortage

THRESHOLD = 200


def shortage(room: int, growth: int) -> Shortage:
    trigger = Trigger("MarginExhausted", room, THRESHOLD, growth, 0, 0)
    return Shortage("/", trigger, Sample(1.0, room, 1000), since=1.0, steady_growth=growth)


@pytest.mark.parametrize(
    ("room", "growth", "restarts", "unit", "grace"),
    [
        pytest.param(90, 10, True, "Container", 2000, id="there-is-time"),
        pytest.param(90, 0, True, "Pod", 2000, id="nothing-grows"),
        pytest.param(90, 18, True, "Container", 0, id="not-for-the-grace-and-the-kill"),
        pytest.param(50, 0, True, "Container", 0, id="a-quarter-of-the-threshold-is-all-that-is-left"),
        pytest.param(90, 10, False, "Container", 0, id="a-job-would-count-as-done"),
        pytest.param(90, 10, True, "Process", 0, id="one-process-of-many"),
    ],
)
def test_grace_is_for_whom_there_is_time(room: int, growth: int, restarts: bool, unit: str, grace: int) -> None:
    pod = PodTarget("u", "shop", "p", 10, grace_milliseconds=2000, restarts_always=restarts)
    victim = Victim("/kubepods/podu/c", 7, "u", unit=unit)
    assert grace_of(shortage(room, growth), victim, Targets(pods={"u": pod}), kill_to_free=0.3) == grace


def test_there_is_no_grace_for_a_pod_that_nobody_told_us_about() -> None:
    assert grace_of(shortage(90, 0), Victim("/kubepods/podu/c", 7, "u"), Targets(), None) == 0
