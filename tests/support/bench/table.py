"""Many runs in a few lines: medians, and where a peer is better than ours. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from statistics import median

from bench.outcome import Outcome

__all__ = ["better_peers", "progress", "story", "table"]

OURS = "guard"
NONE = "-"


def table(outcomes: Sequence[Outcome]) -> list[str]:
    """The lines of a Markdown table: a row for each scenario and killer, in the order in which they came."""
    head = "| | killer | right | who died, by whom | < 100 MiB to first kill | crit died | crit's longest pause |"
    rule = "| --- | --- | --- | --- | --- | --- | --- |"
    rows = [_row(scenario, killer, runs) for (scenario, killer), runs in sorted(_cells(outcomes).items())]
    return [head, rule, *rows, "", *_costs(outcomes)]


def better_peers(outcomes: Sequence[Outcome]) -> list[str]:
    """A sentence for every measure in which a peer's median beats ours; one sentence if there is none."""
    cells = _cells(outcomes)
    found = []
    for (scenario, killer), runs in sorted(cells.items()):
        ours = cells.get((scenario, OURS))
        if killer == OURS or not ours:
            continue
        for what, value, unit in MEASURES:
            theirs, own = value(runs), value(ours)
            if theirs is not None and (own is None or theirs < own):
                against = NONE if own is None else f"{own:.2f} {unit}"
                found.append(f"{scenario}: {killer} is better in {what}: {theirs:.2f} {unit} against {against}")
    if OURS not in {killer for _, killer in cells}:
        return []
    return found or ["No peer is better in anything that was measured."]


def progress(outcome: Outcome) -> str:
    """One run in one line."""
    if outcome.failure:
        return f"{outcome.scenario} {outcome.killer:13} failed: {outcome.failure}"
    kill = _said(outcome.margin_to_kill_seconds, ".2f", "s")
    verdict = "right" if outcome.is_right else "wrong"
    rest = f"low to kill {kill}, crit's pause {_said(outcome.pause_milliseconds, '.0f', 'ms')}"
    quiet = f"(quiet {_said(outcome.quiet_milliseconds, '.0f', 'ms')})"
    look = f"looks at most {_said(outcome.look_milliseconds, '.0f', 'ms')} apart"
    return f"{outcome.scenario} {outcome.killer:13} {verdict}: {story(outcome)}; {rest} {quiet}, {look}"


def story(outcome: Outcome) -> str:
    """Who died in which order and by whom."""
    if outcome.failure:
        return "machine lost"
    told = [f"{death.name} ({death.by})" for death in outcome.deaths]
    return ", ".join(told if outcome.hog_ended else [*told, "hog lives on"])


def _cells(outcomes: Iterable[Outcome]) -> dict[tuple[str, str], list[Outcome]]:
    cells: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in outcomes:
        cells.setdefault((outcome.scenario, outcome.killer), []).append(outcome)
    return cells


def _row(scenario: str, killer: str, runs: Sequence[Outcome]) -> str:
    stories = Counter(story(run) for run in runs)
    told = "; ".join(f"{count}x {what}" if len(stories) > 1 else what for what, count in stories.items())
    dead = sum(not run.crit_lives for run in runs)
    right = sum(run.is_right for run in runs)
    cells = (
        scenario,
        killer,
        f"{right}/{len(runs)}",
        told,
        _kill(runs),
        f"{dead}/{len(runs)}",
        _said(_median(run.pause_milliseconds for run in runs), ",.0f", "ms"),
    )
    return f"| {' | '.join(cells)} |"


def _kill(runs: Sequence[Outcome]) -> str:
    """When the first died; if it came before the margin was low, what the margin was then."""
    wait = _median(run.margin_to_kill_seconds for run in runs)
    if wait is not None and wait >= 0:
        return f"{wait:.2f} s"
    margin = _median(run.margin_at_kill_mebibytes for run in runs)
    return NONE if margin is None else f"before, at {margin:.0f} MiB"


def _costs(outcomes: Sequence[Outcome]) -> list[str]:
    rows = ["| killer | resident MiB | locked MiB | idle CPU |", "| --- | --- | --- | --- |"]
    for killer in dict.fromkeys(outcome.killer for outcome in outcomes):
        runs = [outcome for outcome in outcomes if outcome.killer == killer]
        resident = _said(_median(run.resident_mebibytes for run in runs), ".1f", "")
        locked = _said(_median(run.locked_mebibytes for run in runs), ".1f", "")
        idle = _said(_median(run.idle_percent for run in runs), ".2f", "%")
        rows.append(f"| {killer} | {resident} | {locked} | {idle} |")
    return rows


def _wrong(runs: Sequence[Outcome]) -> float:
    return 100 * sum(not run.is_right for run in runs) / len(runs)


def _wait(runs: Sequence[Outcome]) -> float | None:
    """Who killed before the margin was low did not wait at all."""
    return _median(max(0.0, run.margin_to_kill_seconds or 0.0) for run in runs if run.deaths)


MEASURES: tuple[tuple[str, Callable[[Sequence[Outcome]], float | None], str], ...] = (
    ("runs that were not right", _wrong, "%"),
    ("time from low margin to first kill", _wait, "s"),
    ("crit's longest pause", lambda runs: _median(run.pause_milliseconds for run in runs), "ms"),
    ("resident memory", lambda runs: _median(run.resident_mebibytes for run in runs), "MiB"),
    ("idle CPU", lambda runs: _median(run.idle_percent for run in runs), "%"),
)
"""Each is better the smaller it is."""


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _said(value: float | None, style: str, unit: str) -> str:
    return NONE if value is None else f"{value:{style}} {unit}".strip()
