"""The picture of what was left around a kill, in numbers."""

import re

import pytest

from oompolicy_agent.cli.timeline import timeline
from oompolicy_api.decision import Sample

MEBIBYTE = 1 << 20
HEIGHT, WIDTH = 240, 1000


def looks(*values: tuple[int, int, int | None]) -> tuple[Sample, ...]:
    return tuple(
        Sample(offset_milliseconds=offset, margin_bytes=margin * MEBIBYTE, stall_percent=stall)
        for offset, margin, stall in values
    )


FALL = looks((-1000, 400, 0), (0, 100, 50), (1000, 300, 100))


def path(picture: str, kind: str) -> str:
    found = re.search(f'class="{kind}" d="([^"]*)"', picture)
    assert found
    return found[1]


def points(picture: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"([\d.-]+) ([\d.-]+)", path(picture, "margin"))]


def test_the_margin_is_a_line_over_time() -> None:
    (first, high), (middle, low), (last, between) = points(timeline(FALL, 200 * MEBIBYTE))
    assert (first, middle, last) == (0, WIDTH / 2, WIDTH)
    assert 0 < high < between < low < HEIGHT
    assert (low - high) / (HEIGHT - high) == pytest.approx(300 / 400, abs=0.01)


def test_the_signal_stands_where_it_was_sent() -> None:
    assert path(timeline(FALL, None), "mark").startswith("M500.0 0V")
    assert path(timeline(looks((0, 1, None), (10, 1, None)), None), "mark").startswith("M0.0 0V")


def test_the_threshold_lies_on_the_scale_of_the_margin() -> None:
    _, (_, at_the_threshold), _ = points(timeline(FALL, None))
    assert path(timeline(FALL, 100 * MEBIBYTE), "threshold") == f"M0 {at_the_threshold:.1f}H1000"
    assert "threshold" not in timeline(FALL, None)


def test_a_stall_is_a_bar_over_the_time_since_the_look_before() -> None:
    bars = re.findall(r'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"', timeline(FALL, None))
    assert bars[1:] == [("0.0", "120.0", "500.0", "120.0"), ("500.0", "0.0", "500.0", "240.0")]


@pytest.mark.parametrize(
    ("samples", "threshold"),
    [
        pytest.param(looks((0, 0, None)), None, id="one-look-at-nothing"),
        pytest.param(looks((5, -3, 100), (5, -2, 0)), 0, id="below-zero-and-twice-at-once"),
        pytest.param(looks((-(10**9), 1, None), (10**9, 9_000_000, None)), 1 << 52, id="days-and-pebibytes"),
    ],
)
def test_everything_stays_in_the_frame(samples: tuple[Sample, ...], threshold: int | None) -> None:
    picture = timeline(samples, threshold)
    drawn = [
        *points(picture),
        *([(0.0, float(path(picture, "threshold").split()[1].split("H")[0]))] if threshold else []),
    ]
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in drawn)
    marks = re.findall(r"--at:(-?[\d.]+)%", picture)
    assert 3 <= len(marks) <= 3 + 7 + 7
    assert all(0 <= float(at) <= 100 for at in marks)


def test_the_picture_is_told_in_words_too() -> None:
    picture = timeline(FALL, 200 * MEBIBYTE, "decision")
    told = (
        "Least: 100.0 MiB at +0 s from the decision; in the end: 300.0 MiB; threshold: 200.0 MiB; "
        "all tasks stood still for at most 100 % of the time."
    )
    assert f'<desc id="numbers">{told}</desc>' in picture
    assert '<td class="number">-</td>' in timeline(looks((0, 1, None)), None)


def test_without_looks_it_is_a_sentence() -> None:
    assert timeline((), 5) == "<p>What was left around it was not recorded.</p>"
