"""What a guard must know of the one before: decisions that it left open, kills that still bind the budget. Pure."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from oompolicy_agent.guard.clock import parse

__all__ = ["History", "kill_times", "recall"]

Document = dict[str, object]
KILLS = ("Killed", "Futile", "GaveUp", "Interrupted", "WouldKill")
"""Outcomes that count for cooldown and budget. A kill that was interrupted may have happened."""
PENDING = "Pending"


@dataclass(frozen=True, slots=True)
class History:
    """What the journal's last records say, and what the ring has that the journal has not."""

    unwritten: tuple[Document, ...] = ()
    """Of the ring, oldest first, each complete: what was pending is interrupted now."""
    kill_times: tuple[float, ...] = ()
    """Of the wall clock, oldest first, those of the ring included."""
    last: Document | None = None
    """The last record of all."""


def recall(lines: Iterable[bytes], ring: Iterable[Document] = ()) -> History:
    """Reads journal lines, oldest first, and the ring's records, in any order.

    Lines that are no records (a crash cut one short) are passed over. Of two records with one id the complete one
    counts.
    """
    written = {name: record for record in filter(None, map(_record, lines)) if (name := _name(record))}
    unwritten: dict[str, Document] = {}
    for record in sorted(ring, key=lambda one: one.get("outcome") != PENDING):
        name = _name(record)
        if name and name not in written:
            unwritten[name] = _interrupted(record) if record.get("outcome") == PENDING else record
    everything = written | dict(sorted(unwritten.items()))
    times = [parse(record.get("time")) for record in everything.values() if record.get("outcome") in KILLS]
    return History(
        tuple(everything[name] for name in sorted(unwritten)),
        tuple(sorted(time for time in times if time is not None)),
        next(reversed(everything.values()), None),
    )


def _interrupted(record: Document) -> Document:
    """The record that closes one whose guard died."""
    return record | {"outcome": "Interrupted"}


def kill_times(history: History, monotonic: float, wall: float) -> list[float]:
    """When those kills were by the monotonic clock; a wall clock that was set back makes them now."""
    return [monotonic - max(0.0, wall - time) for time in history.kill_times]


def _name(record: Document) -> str | None:
    name = record.get("id")
    return name if isinstance(name, str) else None


def _record(line: bytes) -> Document | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
