"""What was left around the kill, and how long everybody stood still for memory, as a picture over time. Pure.

The lines are an SVG that is stretched to the width there is; words and numbers stand around it and keep their size.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from oompolicy_agent.explain import amount
from oompolicy_api.decision import Sample

__all__ = ["timeline"]

WIDTH, HEIGHT = 1000.0, 240.0
MOST_TIMES, MOST_AMOUNTS = 5, 4
SECOND = 1000
ROOM = 1.06
"""Of the highest value: how high the picture is, so that no line lies on its edge."""
NAMED = 'aria-labelledby="course" aria-describedby="numbers"'
NOTHING = "What was left around it was not recorded."


@dataclass(frozen=True, slots=True)
class Frame:
    """Which values the picture spans."""

    first: int
    last: int
    low: float
    high: float

    def x(self, offset: float) -> float:
        """From the left, as a share of 1."""
        return (offset - self.first) / (self.last - self.first)

    def y(self, margin: float) -> float:
        """From the top, as a share of 1."""
        return (self.high - margin) / (self.high - self.low)


def timeline(samples: Sequence[Sample], threshold: int | None, mark: str = "signal") -> str:
    """A figure; `mark` is what happened at the offset 0. Without samples a sentence."""
    if not samples:
        return f"<p>{NOTHING}</p>"
    ordered = sorted(samples, key=lambda one: one.offset_milliseconds)
    frame = _frame(ordered, threshold)
    return (
        f'<figure class="timeline"><div class="chart"><span class="unit">left</span><span class="unit">stall</span>'
        f"{_axes(frame, mark)}{_picture(ordered, threshold, frame, mark)}</div>"
        f"<figcaption>{_legend(ordered, threshold, mark)}</figcaption>{_numbers(ordered, mark)}</figure>"
    )


def _frame(samples: Sequence[Sample], threshold: int | None) -> Frame:
    margins = [one.margin_bytes for one in samples]
    first, last = min(0, samples[0].offset_milliseconds), max(0, samples[-1].offset_milliseconds)
    low, high = min(0, *margins) * ROOM, max(threshold or 0, 1, *margins) * ROOM
    return Frame(first, max(last, first + 1), low, high)


def _picture(samples: Sequence[Sample], threshold: int | None, frame: Frame, mark: str) -> str:
    points = [
        f"{frame.x(one.offset_milliseconds) * WIDTH:.1f} {frame.y(one.margin_bytes) * HEIGHT:.1f}" for one in samples
    ]
    dots = "".join(f"M{point}h0" for point in points)
    lines = [_level("zero", frame.y(0))] + ([_level("threshold", frame.y(threshold))] if threshold is not None else [])
    at = frame.x(0) * WIDTH
    return (
        f'<svg viewBox="0 0 {WIDTH:g} {HEIGHT:g}" preserveAspectRatio="none" role="img" {NAMED}>'
        f'<title id="course">What was left around the {mark}</title>'
        f'<desc id="numbers">{_told(samples, threshold, mark)}</desc>'
        f'{_bars(samples, frame)}{"".join(lines)}<path class="mark" d="M{at:.1f} 0V{HEIGHT:g}"/>'
        f'<path class="margin" d="M{"L".join(points)}"/><path class="dots" d="{dots}"/></svg>'
    )


def _level(kind: str, share: float) -> str:
    return f'<path class="{kind}" d="M0 {share * HEIGHT:.1f}H{WIDTH:g}"/>'


def _bars(samples: Sequence[Sample], frame: Frame) -> str:
    """One for each look with its stall, over the time since the look before."""
    starts = [frame.first, *(one.offset_milliseconds for one in samples)]
    bars = ""
    for start, one in zip(starts, samples, strict=False):
        left, right = frame.x(start) * WIDTH, frame.x(one.offset_milliseconds) * WIDTH
        high = min(100, one.stall_percent or 0) / 100 * HEIGHT
        bars += f'<rect x="{left:.1f}" y="{HEIGHT - high:.1f}" width="{right - left:.1f}" height="{high:.1f}"/>'
    return f'<g class="stall">{bars}</g>'


def _axes(frame: Frame, mark: str) -> str:
    amounts = _marks(frame.low, frame.high, _binary_step(frame.high - frame.low, MOST_AMOUNTS), _short, frame.y)
    stalls = _marks(0, 100, 50, lambda percent: f"{percent:g} %", lambda percent: 1 - percent / 100)
    step = _decimal_step(frame.last - frame.first, MOST_TIMES)
    times = _marks(frame.first, frame.last, step, lambda offset: _moment(offset) if offset else mark, frame.x)
    axes = {"left": amounts, "right": stalls, "bottom": times}
    return "".join(f'<div class="axis {side}" aria-hidden="true">{marks}</div>' for side, marks in axes.items())


def _marks(low: float, high: float, step: float, says: Callable[[float], str], where: Callable[[float], float]) -> str:
    """A label at each multiple of `step` in these bounds."""
    values = [number * step for number in range(-int(-low // step), int(high // step) + 1)]
    return "".join(f'<span style="--at:{where(value):.2%}">{says(value)}</span>' for value in values)


def _binary_step(span: float, most: int) -> float:
    step = 1.0
    while span / step > most:
        step *= 2
    return step


def _decimal_step(span: float, most: int) -> float:
    steps = (base * 10**power for power in range(20) for base in (1, 2, 5))
    return float(next(step for step in steps if span / step <= most))


def _short(count: float) -> str:
    return amount(round(count)).replace(".0 ", " ")


def _moment(offset: float) -> str:
    return f"{offset / SECOND:+g} s"


def _told(samples: Sequence[Sample], threshold: int | None, mark: str) -> str:
    """The picture in words."""
    least = min(samples, key=lambda one: one.margin_bytes)
    stalls = [one.stall_percent for one in samples if one.stall_percent is not None]
    words = [f"Least: {amount(least.margin_bytes)} at {_moment(least.offset_milliseconds)} from the {mark}"]
    words += [f"in the end: {amount(samples[-1].margin_bytes)}"]
    words += [f"threshold: {amount(threshold)}"] if threshold is not None else []
    words += [f"all tasks stood still for at most {max(stalls)} % of the time"] if stalls else []
    return "; ".join(words) + "."


def _legend(samples: Sequence[Sample], threshold: int | None, mark: str) -> str:
    entries = {"margin": "memory that was left"}
    entries |= {"threshold": f"threshold, {amount(threshold)}"} if threshold is not None else {}
    if any(one.stall_percent is not None for one in samples):
        entries["stall"] = "share of the time in which all tasks stood still for memory (right axis)"
    entries["mark"] = f"the {mark}"
    items = "".join(f'<li><span class="swatch {kind}"></span> {says}</li>' for kind, says in entries.items())
    return f'<p>{_told(samples, threshold, mark)}</p><ul class="legend">{items}</ul>'


def _numbers(samples: Sequence[Sample], mark: str) -> str:
    rows = "".join(
        f'<tr><th scope="row" class="number">{_moment(one.offset_milliseconds)}</th>'
        f'<td class="number">{amount(one.margin_bytes)}</td>'
        f'<td class="number">{"-" if one.stall_percent is None else f"{one.stall_percent} %"}</td></tr>'
        for one in samples
    )
    head = "".join(f'<th scope="col" class="number">{name}</th>' for name in (f"From the {mark}", "Left", "Stall"))
    return (
        f"<details><summary>The numbers</summary><table><caption>What each look showed</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></details>"
    )
