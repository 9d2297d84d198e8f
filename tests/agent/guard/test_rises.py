"""A counter that has risen lately."""

import pytest

from oompolicy_agent.guard.rises import Rises

WINDOW = 1.0


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        pytest.param([(0, 7)], False, id="first-sight-says-nothing"),
        pytest.param([(0, 7), (0.5, 7)], False, id="unchanged"),
        pytest.param([(0, 7), (0.5, 8)], True, id="risen"),
        pytest.param([(0, 7), (0.5, 8), (1.5, 8)], True, id="risen-within-the-window"),
        pytest.param([(0, 7), (0.5, 8), (1.6, 8)], False, id="risen-before-the-window"),
        pytest.param([(0, 7), (60, 8)], True, id="a-late-look-cannot-tell-when"),
        pytest.param([(0, 7), (60, 8), (61.1, 8)], False, id="the-window-begins-at-the-late-look"),
        pytest.param([(0, 7), (0.5, 3)], False, id="fallen-is-another-memcg"),
        pytest.param([(0, 7), (0.5, 8), (0.6, 3)], False, id="what-the-other-memcg-had-is-forgotten"),
        pytest.param([(0, 7), (0.5, 3), (0.6, 4)], True, id="risen-since-it-fell"),
    ],
)
def test_tells_whether_a_counter_has_risen(looks: list[tuple[float, int]], expected: bool) -> None:
    rises = Rises()
    assert [rises.see("/", count, now, WINDOW) for now, count in looks][-1] is expected


def test_counters_do_not_mix() -> None:
    rises = Rises()
    rises.see("/", 1, 0, WINDOW)
    rises.see("/kubepods", 5, 0, WINDOW)
    assert rises.see("/", 2, 0.1, WINDOW)
    assert not rises.see("/kubepods", 5, 0.1, WINDOW)


def test_what_was_forgotten_is_seen_for_the_first_time() -> None:
    rises = Rises()
    rises.see("/kubepods", 1, 0, WINDOW)
    rises.forget("/kubepods")
    assert not rises.see("/kubepods", 5, 0.1, WINDOW)
