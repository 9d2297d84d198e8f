"""How long a victim is waited for, and what counts as freed. Usage and margin in MiB."""

import pytest

from oompolicy_agent.guard.outcasts import Outcasts
from oompolicy_agent.guard.settings import Limits
from oompolicy_agent.guard.waiting import Ending, Observation, Waiting

MIB = 1 << 20
FREED, GAVE_UP = Ending.FREED, Ending.GAVE_UP


def seen(at: float, usage: int, margin: int = 50, *, populated: bool = True) -> Observation:
    return Observation(at, margin * MIB, populated, usage * MIB)


def wait(*observations: Observation, usage: int = 200) -> tuple[list[Ending | None], Waiting]:
    """A victim of 200 MiB that is killed at 0 s with 50 MiB left."""
    waiting = Waiting(seen(0, usage), usage * MIB)
    return [waiting.look(observation) for observation in observations], waiting


@pytest.mark.parametrize(
    ("observations", "endings"),
    [
        pytest.param([seen(0.1, 200), seen(0.2, 0, populated=False)], [None, FREED], id="empty-and-back"),
        pytest.param([seen(0.1, 200, populated=False)], [None], id="empty-but-not-back"),
        pytest.param(
            [seen(0.1, 200, populated=False), seen(0.2, 99, populated=False)], [None, FREED], id="back-by-half"
        ),
        pytest.param(
            [seen(0.1, 200, populated=False), seen(0.2, 200, 150, populated=False)],
            [None, FREED],
            id="back-by-the-margin",
        ),
        pytest.param(
            [seen(0.1, 200, populated=False), seen(0.59, 200, populated=False), seen(0.6, 200, populated=False)],
            [None, None, FREED],
            id="half-a-second-after-it-is-empty",
        ),
        pytest.param([seen(0.5, 0)], [None], id="usage-fell-but-somebody-is-in-it"),
        pytest.param([seen(0.9, 200), seen(1.0, 200)], [None, GAVE_UP], id="S11-stuck"),
        pytest.param(
            [seen(0.9, 150), seen(1.8, 150), seen(2.0, 150)], [None, None, GAVE_UP], id="longer-while-it-falls"
        ),
    ],
)
def test_ends(observations: list[Observation], endings: list[Ending | None]) -> None:
    assert wait(*observations)[0] == endings


def test_does_not_wait_for_ever_for_who_frees_a_little_all_the_time() -> None:
    endings, _ = wait(*[seen(at / 2, 2000 - 2 * at) for at in range(1, 61)], usage=2000)
    assert endings == [None] * 59 + [GAVE_UP]


def test_measures_what_came_back() -> None:
    _, waiting = wait(seen(0.1, 120), seen(0.2, 20, populated=False))
    assert waiting.freed_bytes == 180 * MIB
    assert waiting.empty_at == 0.2
    assert not waiting.is_futile


def test_memory_that_no_kill_frees_is_futile() -> None:
    """S37: the container's 5 MiB are gone, the emptyDir's 200 are not."""
    _, waiting = wait(seen(0.1, 195, populated=False), seen(0.7, 195, populated=False))
    assert waiting.is_futile


def test_who_would_not_die_is_passed_over_for_good() -> None:
    outcasts = Outcasts(Limits())
    outcasts.remember("GaveUp", 7, "pod", 0.0)
    assert outcasts.stuck == {7}


def test_whose_death_was_futile_is_left_alone_for_ten_minutes() -> None:
    outcasts = Outcasts(Limits())
    outcasts.remember("Futile", 7, "pod", 0.0)
    assert outcasts.futile(599.0) == {"pod"}
    assert outcasts.futile(600.0) == set()


def test_two_futile_kills_in_a_row_are_hopeless_until_memory_comes_back() -> None:
    outcasts = Outcasts(Limits())
    outcasts.remember("Futile", 7, "a", 0.0)
    assert not outcasts.is_hopeless
    outcasts.remember("Futile", 8, "b", 0.0)
    hopeless = outcasts.is_hopeless
    outcasts.relax()
    assert (hopeless, outcasts.is_hopeless) == (True, False)


def test_a_kill_that_helped_in_between_is_hope() -> None:
    outcasts = Outcasts(Limits())
    for outcome in ("Futile", "Killed", "Futile"):
        outcasts.remember(outcome, 7, "a", 0.0)
    assert not outcasts.is_hopeless
