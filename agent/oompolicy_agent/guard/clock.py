"""Times as the files between guard and sync have them: RFC 3339, UTC, milliseconds."""

import os
import re
import time

__all__ = ["decision_id", "parse", "stamp"]

_STAMP = re.compile(r"(\d{4})-(0[1-9]|1[0-2])-(\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{3})Z")
_MARCH = 3
_DAYS_TO_1970 = 719468
"""From the first of March of the year 0 of this calendar."""


def stamp(seconds: float) -> str:
    """A time of the wall clock, for example `2026-11-24T01:53:49.123Z`."""
    milliseconds = int(seconds * 1000)
    calendar = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(milliseconds // 1000))
    return f"{calendar}.{milliseconds % 1000:03d}Z"


def parse(text: object) -> float | None:
    """The reverse; None for what is no such time.

    By hand, because the standard library's own parsers take half a mebibyte of memory.
    """
    found = _STAMP.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return None
    year, month, day, hour, minute, second, milliseconds = map(int, found.groups())
    return _days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second + milliseconds / 1000


def decision_id(seconds: float) -> str:
    """A new id that sorts by time, for example `20261124T015349.123Z-7f3a`."""
    return f"{stamp(seconds).replace('-', '').replace(':', '')}-{os.urandom(2).hex()}"


def _days(year: int, month: int, day: int) -> int:
    """Days since 1970. A year begins in March here, so that the leap day is its last one."""
    year -= month < _MARCH
    elapsed = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return year * 365 + year // 4 - year // 100 + year // 400 + elapsed - _DAYS_TO_1970
