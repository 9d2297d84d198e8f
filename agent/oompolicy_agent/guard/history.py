"""What a guard must know of the one before: decisions left open, and kills that still bind the budget. Pure."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from oompolicy_agent.guard.clock import parse

__all__ = ["History", "interrupted", "kill_times", "recall"]

Document = dict[str, object]
KILLS = ("Killed", "Futile", "GaveUp", "Interrupted", "WouldKill")
"""Outcomes that count for cooldown and budget. A kill that was interrupted may have happened."""


@dataclass(frozen=True, slots=True)
class History:
    """What the journal's last records say."""

    open: tuple[Document, ...] = ()
    """Decided and not finished: their guard died in between."""
    kill_times: tuple[float, ...] = ()
    """Of the wall clock, oldest first, including the open ones."""
    last: Document | None = None
    """The last record that finished a decision."""


def recall(lines: Iterable[bytes]) -> History:
    """Reads journal lines, oldest first; lines that are no records (a crash cut one short) are passed over."""
    opened: dict[str, Document] = {}
    kill_times: dict[str, float] = {}
    last = None
    for record in filter(None, map(_record, lines)):
        name = str(record.get("id"))
        if record.get("phase") == "Decided":
            opened[name] = record
        elif record.get("phase") == "Finished":
            opened.pop(name, None)
            last = record
        time = parse(record.get("time"))
        if time is not None and (record.get("outcome") in KILLS or record.get("phase") == "Decided"):
            kill_times[name] = time
    return History(tuple(opened.values()), tuple(sorted(kill_times.values())), last)


def interrupted(record: Document) -> Document:
    """The record that closes one whose guard died."""
    return record | {"phase": "Finished", "outcome": "Interrupted"}


def kill_times(history: History, monotonic: float, wall: float) -> list[float]:
    """When those kills were by the monotonic clock; a wall clock that was set back makes them now."""
    return [monotonic - max(0.0, wall - time) for time in history.kill_times]


def _record(line: bytes) -> Document | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
