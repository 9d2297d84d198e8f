"""What is kept of the looks at a domain: few of many, the newest always, told by the distance from a moment."""

import pytest

from oompolicy_agent.guard.course import MOST_SEEN, Course, Seen


def course(*times: float) -> Course:
    found = Course()
    for time in times:
        found.add(Seen(time, int(time * 1000), 7))
    return found


def offsets(found: Course, moment: float = 0.0) -> list[object]:
    return [sample["offsetMilliseconds"] for sample in found.around(moment)]


@pytest.mark.parametrize(
    ("times", "kept"),
    [
        pytest.param((1, 2, 3), [1000, 2000, 3000], id="all-in-calm"),
        pytest.param((1, 1.01, 1.02, 1.03), [1000, 1030], id="the-newest-of-a-crowd"),
        pytest.param((1, 1.125, 1.25, 1.375, 1.5, 1.625), [1000, 1250, 1500, 1625], id="some-of-a-crowd-that-lasts"),
    ],
)
def test_keeps(times: tuple[float, ...], kept: list[int]) -> None:
    assert offsets(course(*times)) == kept


def test_never_keeps_more_than_it_may_and_loses_the_oldest_first() -> None:
    found = course(*(number * 0.25 for number in range(MOST_SEEN + 5)))
    assert len(found.around(0)) == MOST_SEEN
    assert offsets(found)[0] == 5 * 250


def test_tells_each_look_by_its_distance_from_the_moment() -> None:
    before, after = course(1.5, 2.25).around(2.0)
    assert before == {"offsetMilliseconds": -500, "marginBytes": 1500, "stallPercent": 7}
    assert after["offsetMilliseconds"] == 250
