"""When to act, and when to look again."""

import pytest

from oompolicy_agent.guard.settings import Limits
from oompolicy_agent.guard.trigger import Growth, Sample, Thresholds, judge, pause, thresholds

MIB = 1 << 20
BELOW = Thresholds(room=200 * MIB, kubelet=150 * MIB, stall_milliseconds=100)
KILL_TO_FREE = 0.3


def sample(margin: float, *, swap: float = 0, stall: int = 0, signal: float | None = None, at: float = 0.0) -> Sample:
    """Sizes in MiB, of a node of 1 GiB."""
    return Sample(
        time=at,
        margin=int(margin * MIB),
        size=1024 * MIB,
        swap=int(swap * MIB),
        has_swap=swap > 0,
        stall_milliseconds=stall,
        kubelet_signal=None if signal is None else int(signal * MIB),
    )


@pytest.mark.parametrize(
    ("seen", "growth", "expected"),
    [
        pytest.param(sample(500), 0, None, id="plenty"),
        pytest.param(sample(200), 0, None, id="at-the-threshold"),
        pytest.param(sample(150), 40, None, id="below-it-with-time-left"),
        pytest.param(sample(100), 40, None, id="at-half-the-threshold"),
        pytest.param(sample(99), 0, "MarginExhausted", id="below-half"),
        pytest.param(sample(190), 640, "GrowthExhausts", id="growth-is-faster-than-a-kill"),
        pytest.param(sample(190), 630, None, id="growth-is-just-slow-enough"),
        pytest.param(sample(210), 9000, None, id="growth-alone-above-the-threshold"),
        pytest.param(sample(150, stall=100), 0, "Stalled", id="below-it-and-stalled"),
        pytest.param(sample(150, stall=99), 0, None, id="stalled-less-than-it-takes"),
        pytest.param(sample(210, stall=900), 0, None, id="S24-stalled-with-plenty-of-memory"),
        pytest.param(sample(50, swap=100), 0, None, id="swap-stands-in"),
        pytest.param(sample(50, swap=40), 0, "MarginExhausted", id="swap-is-not-enough"),
        pytest.param(sample(50, swap=900, stall=100), 0, "Stalled", id="thrashing-in-swap"),
        pytest.param(sample(250, swap=900, stall=100), 0, None, id="swapping-with-memory-left"),
        pytest.param(sample(300, signal=149), 0, "KubeletWouldEvict", id="kubelet-would-evict-first"),
        pytest.param(sample(300, signal=150), 0, None, id="kubelet-would-not"),
        pytest.param(sample(300, signal=None), 0, None, id="kubelets-signal-does-not-apply"),
    ],
)
def test_acts_when_it_must(seen: Sample, growth: int, expected: str | None) -> None:
    trigger = judge(seen, growth * MIB, BELOW, KILL_TO_FREE)
    assert (trigger.reason if trigger else None) == expected


def test_does_not_compare_what_kubelet_would_do_when_nobody_could_tell() -> None:
    assert judge(sample(300, signal=1), 0, Thresholds(200 * MIB, None, 100), KILL_TO_FREE) is None


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(sample(1, stall=900), None, id="nothing-left"),
        pytest.param(sample(1, signal=149), "KubeletWouldEvict", id="kubelet-would-evict-first"),
    ],
)
def test_where_the_kernel_asks_only_kubelet_has_to_be_forestalled(seen: Sample, expected: str | None) -> None:
    below = thresholds(seen.size, 100 * MIB, Limits(threshold_percent=10).only_before_kubelet)
    trigger = judge(seen, 9000 * MIB, below, KILL_TO_FREE)
    assert (trigger.reason if trigger else None) == expected


def test_a_slower_kill_makes_it_act_earlier() -> None:
    assert judge(sample(190), 200 * MIB, BELOW, kill_to_free=0.9) is None
    assert judge(sample(190), 200 * MIB, BELOW, kill_to_free=1.0)


def test_the_trigger_carries_the_numbers_that_made_it_one() -> None:
    trigger = judge(sample(50, swap=10, stall=7), 40 * MIB, BELOW, KILL_TO_FREE)
    assert trigger
    assert (trigger.margin, trigger.threshold, trigger.growth) == (50 * MIB, 200 * MIB, 40 * MIB)
    assert (trigger.swap, trigger.stall_milliseconds) == (10 * MIB, 7)


@pytest.mark.parametrize(
    ("size", "expected"),
    [pytest.param(1024, 200, id="a-node"), pytest.param(256, 64, id="a-small-domain-keeps-three-quarters")],
)
def test_the_threshold_is_a_part_of_the_domain(size: int, expected: int) -> None:
    assert thresholds(size * MIB, None, Limits()).room == expected * MIB


def test_kubelets_threshold_is_met_before_kubelet_meets_it() -> None:
    assert thresholds(1024 * MIB, 100 * MIB, Limits()).kubelet == 150 * MIB


@pytest.mark.parametrize(
    ("margin", "expected"),
    [
        pytest.param(10_000, 1.0, id="far-away"),
        pytest.param(712, 0.5, id="half-a-second-at-a-gibibyte-per-second"),
        pytest.param(201, 0.01, id="about-to-cross"),
        pytest.param(151.2, 0.05, id="until-half-the-threshold"),
        pytest.param(20, 0.01, id="below-all-thresholds"),
    ],
)
def test_looks_again_before_a_threshold_can_be_crossed(margin: float, expected: float) -> None:
    assert pause(sample(margin), 0, Thresholds(200 * MIB, None, 100)) == pytest.approx(expected)


def test_looks_again_before_kubelets_threshold_can_be_crossed() -> None:
    assert pause(sample(10_000, signal=252.4), 0, BELOW) == pytest.approx(0.1)


def test_looks_earlier_where_growth_was_faster() -> None:
    assert pause(sample(712), 2048 * MIB, Thresholds(200 * MIB, None, 100)) == pytest.approx(0.25)


def test_growth_is_measured_over_the_last_second() -> None:
    growth = Growth()
    rates = [growth.add(sample(1000 - 40 * at, at=at)) for at in (0.0, 0.5, 1.0, 1.5, 2.0)]
    assert rates == [0, 40 * MIB, 40 * MIB, 40 * MIB, 40 * MIB]


def test_the_beginning_of_a_burst_does_not_drown_in_the_second_before_it() -> None:
    growth = Growth()
    for at in (0.0, 0.2, 0.4, 0.6):
        growth.add(sample(1000, at=at))
    assert growth.add(sample(880, at=0.9)) == pytest.approx(400 * MIB, rel=0.001)


def test_looks_that_are_more_than_a_second_apart_show_growth_too() -> None:
    growth = Growth()
    rates = [growth.add(sample(1000 - 40 * at, at=at)) for at in (0.0, 1.01, 2.02, 3.03)]
    assert rates[1:] == [pytest.approx(40 * MIB, rel=0.001)] * 3


def test_after_a_kill_growth_is_measured_anew() -> None:
    growth = Growth()
    for at, margin in ((0.0, 200), (0.5, 50), (0.6, 300)):
        growth.add(sample(margin, at=at))
    growth.restart()
    growth.add(sample(300, at=0.6))
    assert growth.add(sample(200, at=0.8)) == pytest.approx(500 * MIB, rel=0.001)


def test_a_short_jump_is_no_growth_yet() -> None:
    growth = Growth()
    growth.add(sample(1000, at=0.0))
    assert growth.add(sample(990, at=0.01)) == 0


def test_memory_that_comes_back_is_no_growth() -> None:
    growth = Growth()
    growth.add(sample(100, at=0.0))
    assert growth.add(sample(300, at=0.5)) == 0


def test_remembers_the_highest_growth() -> None:
    growth = Growth()
    for at, margin in ((0.0, 1000), (0.5, 500), (2.0, 490), (2.5, 490)):
        growth.add(sample(margin, at=at))
    assert growth.highest == 1000 * MIB
