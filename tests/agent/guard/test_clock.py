"""Times of the files between guard and sync, there and back."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oompolicy_agent.guard.clock import decision_id, parse, stamp


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2200, 12, 31), timezones=st.just(UTC)))  # noqa: DTZ001 - hypothesis wants them so
def test_every_time_comes_back_to_the_millisecond(moment: datetime) -> None:
    found = parse(stamp(moment.timestamp()))
    assert found is not None
    assert abs(found - moment.timestamp()) < 0.0011


def test_reads_what_it_writes() -> None:
    assert stamp(1795571629.123) == "2026-11-25T01:53:49.123Z"
    assert parse("2026-11-25T01:53:49.123Z") == pytest.approx(1795571629.123)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(None, id="nothing"),
        pytest.param(7, id="a-number"),
        pytest.param("2026-11-25", id="a-day"),
        pytest.param("2026-13-25T01:53:49.123Z", id="a-thirteenth-month"),
        pytest.param("2026-11-25T01:53:49.123+01:00", id="another-zone"),
    ],
)
def test_what_is_no_such_time_is_none(text: object) -> None:
    assert parse(text) is None


def test_ids_sort_by_time() -> None:
    assert decision_id(1.0) < decision_id(2.0)
