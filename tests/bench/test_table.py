"""The table says medians, and does not hide where a peer is better."""

from dataclasses import replace

import pytest

from bench.outcome import Death, Outcome
from bench.table import better_peers, progress, table

RIGHT = (Death("batch", "guard", 10.0), Death("hog", "guard", 16.0))
GUARD = Outcome(
    killer="guard",
    scenario="A",
    deaths=RIGHT,
    crit_lives=True,
    hog_ended=True,
    margin_to_kill_seconds=0.5,
    margin_at_kill_mebibytes=95,
    pause_milliseconds=200.0,
    resident_mebibytes=16.0,
    locked_mebibytes=20.0,
    idle_percent=0.5,
)
PEER = replace(
    GUARD,
    killer="earlyoom",
    deaths=(Death("hog", "earlyoom", 11.0),),
    margin_to_kill_seconds=0.8,
    pause_milliseconds=300.0,
    resident_mebibytes=17.0,
    idle_percent=0.7,
)


def test_a_cell_is_the_median_of_its_runs() -> None:
    runs = [replace(GUARD, margin_to_kill_seconds=wait) for wait in (0.1, 0.4, 9.0)]
    assert "0.40 s" in table(runs)[2]


def test_killing_before_the_margin_is_low_is_told_with_the_margin_left() -> None:
    early = replace(GUARD, margin_to_kill_seconds=None, margin_at_kill_mebibytes=144)
    assert "before, at 144 MiB" in table([early])[2]


def test_runs_that_differ_are_all_told() -> None:
    lost = replace(GUARD, deaths=(), crit_lives=False, hog_ended=False, failure="GuestLostError")
    row = table([GUARD, lost])[2]
    assert "1/2" in row
    assert "1x batch (guard), hog (guard); 1x machine lost" in row


@pytest.mark.parametrize(
    ("better", "sentence"),
    [
        pytest.param(replace(PEER, margin_to_kill_seconds=0.2), "low margin to first kill: 0.20 s", id="sooner"),
        pytest.param(replace(PEER, margin_to_kill_seconds=None), "first kill: 0.00 s against 0.50 s", id="before-low"),
        pytest.param(replace(PEER, pause_milliseconds=50.0), "crit's longest pause: 50.00 ms", id="shorter-pause"),
        pytest.param(replace(PEER, resident_mebibytes=1.9), "memory: 1.90 MiB against 16.00 MiB", id="smaller"),
        pytest.param(replace(PEER, idle_percent=0.1), "idle CPU: 0.10 %", id="idler"),
    ],
)
def test_every_measure_in_which_a_peer_is_better_is_said(better: Outcome, sentence: str) -> None:
    said = better_peers([GUARD, better])
    assert len(said) == 1
    assert sentence in said[0]
    assert said[0].startswith("A: earlyoom is better in")


def test_a_peer_that_is_right_more_often_is_better() -> None:
    wrong = replace(GUARD, deaths=PEER.deaths)
    peer = replace(PEER, deaths=RIGHT)
    assert better_peers([wrong, peer]) == ["A: earlyoom is better in runs that were not right: 0.00 % against 100.00 %"]


def test_a_peer_that_never_killed_is_not_sooner() -> None:
    never = replace(PEER, deaths=(), margin_to_kill_seconds=None, hog_ended=False)
    assert better_peers([GUARD, never]) == ["No peer is better in anything that was measured."]


def test_a_pause_counts_only_where_ours_had_one_to_compare() -> None:
    ours = replace(GUARD, crit_lives=False, pause_milliseconds=None)
    assert "A: earlyoom is better in crit's longest pause: 300.00 ms against -" in better_peers([ours, PEER])


def test_nothing_is_compared_without_ours() -> None:
    assert better_peers([PEER]) == []


def test_a_line_of_progress_says_who_died_and_whether_that_was_right() -> None:
    assert "right: batch (guard), hog (guard); low to kill 0.50 s" in progress(GUARD)
    assert "wrong: hog (earlyoom), hog lives on" in progress(replace(PEER, hog_ended=False))
