"""Decisions on the command line: how old they may be, and how one is told."""

import argparse
from datetime import UTC, datetime, timedelta

import pytest

from oompolicy_agent.cli.decisions import ago, told
from oompolicy_api.decision import OOMDecision


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("90s", timedelta(seconds=90), id="seconds"),
        pytest.param("30m", timedelta(minutes=30), id="minutes"),
        pytest.param("2h", timedelta(hours=2), id="hours"),
        pytest.param("7d", timedelta(days=7), id="days"),
    ],
)
def test_ages_are_written_as_kubectl_writes_them(text: str, expected: timedelta) -> None:
    assert abs(datetime.now(UTC) - ago(text) - expected) < timedelta(minutes=1)


@pytest.mark.parametrize("text", ["", "5", "m", "-1m", "1w", "1.5h"])
def test_another_age_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="expected a number and s, m, h or d"):
        ago(text)


def test_a_decision_without_a_victim_is_told_too_and_names_cannot_be_markup() -> None:
    spec = {"id": "1", "node": "[red]n", "time": "2026-11-28T10:00:00Z", "domain": "/", "mode": "Enforce"}
    found = OOMDecision.model_validate({"metadata": {"name": "d"}, "spec": {**spec, "outcome": "NothingEligible"}})
    first, second = told(found)
    assert "nobody" in first
    assert r"\[red]n" in first
    assert second == "  the node ran out of memory; decided by no policy, backend unknown"
