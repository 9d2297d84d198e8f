"""How often the guard may kill."""

import pytest

from oompolicy_agent.guard.budget import Budget
from oompolicy_agent.guard.settings import Limits

THRESHOLD = 200


def budget(*kills: float) -> Budget:
    spent = Budget(Limits(cooldown_seconds=5, maximum_kills=3, budget_seconds=300))
    for kill in kills:
        spent.spend(kill)
    return spent


@pytest.mark.parametrize(
    ("kills", "now", "room", "may"),
    [
        pytest.param((), 0.0, 90, True, id="the-first"),
        pytest.param((10.0,), 10.3, 90, False, id="S16-before-the-cooldown"),
        pytest.param((10.0,), 10.3, 49, True, id="S16-before-it-but-below-a-quarter"),
        pytest.param((10.0,), 10.3, 50, False, id="S16-at-a-quarter"),
        pytest.param((10.0,), 15.0, 90, True, id="after-the-cooldown"),
        pytest.param((10.0, 20.0, 30.0), 40.0, 90, False, id="S25-spent"),
        pytest.param((10.0, 20.0, 30.0), 310.0, 90, True, id="the-first-has-left-the-window"),
        pytest.param((10.0, 20.0, 30.0), 40.0, 49, True, id="spent-but-below-a-quarter"),
        pytest.param((-500.0, -400.0, -300.0, 0.0), 10.0, 90, True, id="long-ago-does-not-count"),
    ],
)
def test_may_kill(kills: tuple[float, ...], now: float, room: int, may: bool) -> None:
    spent = budget(*kills)
    assert (spent.spent(now) is None or not spent.binds(room, THRESHOLD)) == may


def test_says_why_not() -> None:
    assert "less than 5 s ago" in (budget(1.0).spent(2.0) or "")
    assert "3 kills in 300 s" in (budget(1.0, 2.0, 3.0).spent(9.0) or "")


def test_goes_by_other_numbers_as_soon_as_the_policy_has_them() -> None:
    spent = budget(1.0, 2.0, 3.0)
    spent.limits = Limits(cooldown_seconds=0, maximum_kills=4, budget_seconds=300)
    assert spent.spent(4.0) is None


@pytest.mark.parametrize(
    ("kills", "left"),
    [
        pytest.param((), 3, id="the-first"),
        pytest.param((10.0, 20.0), 1, id="some"),
        pytest.param((10.0, 20.0, 30.0, 35.0), 0, id="more-than-there-were"),
        pytest.param((-260.0, -259.0, 30.0), 1, id="one-has-just-left-the-window"),
    ],
)
def test_says_how_many_are_left(kills: tuple[float, ...], left: int) -> None:
    spent = budget(*kills)
    assert spent.left(40.0) == left
    assert (spent.exhausted(40.0) is None) == (left > 0)


@pytest.mark.parametrize(
    ("kills", "comes_back"),
    [
        pytest.param([(1.0, "a"), (2.0, "a")], True, id="the-third-in-the-window"),
        pytest.param([(1.0, "a")], False, id="the-second"),
        pytest.param([(1.0, "a"), (2.0, "b")], False, id="of-different-pods"),
        pytest.param([(-400.0, "a"), (2.0, "a")], False, id="one-of-them-long-ago"),
    ],
)
def test_a_pod_that_keeps_coming_back_is_noticed(kills: list[tuple[float, str]], comes_back: bool) -> None:
    spent = budget()
    for time, pod in kills:
        spent.spend(time, pod)
    assert spent.keeps_coming_back(3.0, "a") == comes_back


def test_no_pod_at_all_does_not_keep_coming_back() -> None:
    assert not budget(1.0, 2.0).keeps_coming_back(3.0, "")
