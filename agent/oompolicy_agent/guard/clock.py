"""Times as the files between guard and sync have them: RFC 3339, UTC, milliseconds."""

import os
import time
from datetime import datetime

__all__ = ["decision_id", "parse", "stamp"]


def stamp(seconds: float) -> str:
    """A time of the wall clock, for example `2026-11-24T01:53:49.123Z`."""
    milliseconds = int(seconds * 1000)
    calendar = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(milliseconds // 1000))
    return f"{calendar}.{milliseconds % 1000:03d}Z"


def parse(text: object) -> float | None:
    """The reverse; None for what is no such time."""
    if not isinstance(text, str):
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return None


def decision_id(seconds: float) -> str:
    """A new id that sorts by time, for example `20261124T015349.123Z-7f3a`."""
    return f"{stamp(seconds).replace('-', '').replace(':', '')}-{os.urandom(2).hex()}"
