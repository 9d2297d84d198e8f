"""What was done to the oom_score_adj of whose processes: enough to put everything back. Pure; the file's format, too.

A child inherits the value of its parent. So a process that is not recorded, in a container that is, and stands at a
value of ours, was forked from one that we adjusted: it gets what the container had originally.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from oompolicy_agent.guard.fields import BYTES, FieldError, Object, integer, items, mapping

__all__ = ["LIMIT", "MOST_PROCESSES", "Original", "Shaped", "document", "grown", "parse"]

FORMAT_VERSION = 1
MOST_PROCESSES = 4096
"""Recorded on one host."""
LIMIT = 4 << 20
"""Bytes of the file."""
MOST_VALUES = 8
"""Of ours in one container; every process is brought to the latest one long before the oldest is forgotten."""
LONGEST_PATH = 4096
VALUES = range(-1000, 1001)
PIDS = range(2, 1 << 22)
"""Never PID 1; PID_MAX_LIMIT is the most the kernel can do."""


class Original(NamedTuple):
    """What one process had before us."""

    start: int
    """When it was started (field 22 of /proc/PID/stat): a pid alone may be somebody else's by now."""
    value: int


@dataclass(frozen=True, slots=True)
class Shaped:
    """One container whose processes were adjusted."""

    path: str
    id: int
    """Of its memcg."""
    original: int
    """Of its oldest process, for those that were forked later."""
    values: tuple[int, ...]
    """Ours, the one in force last."""
    processes: Mapping[int, Original]
    """By pid; children of theirs need not be here."""

    def original_of(self, pid: int, start: int) -> int:
        """What a process in this container that stands at a value of ours has to get back."""
        own = self.processes.get(pid)
        return own.value if own and own.start == start else self.original


def grown(shaped: Shaped | None, path: str, memcg: int, value: int, found: Mapping[int, Original]) -> Shaped:
    """The record once `value` is in force, too, and the processes in `found`, who stand at no value of ours, are in it.

    What a process had lately is what it gets back: if it has chosen a value itself since, that is its original now.
    Without a record so far `found` is everybody in the container, and somebody.
    """
    if shaped is None:
        oldest = min(found.values())
        return Shaped(path, memcg, oldest.value, (value,), dict(found))
    values = (*(one for one in shaped.values if one != value), value)
    return replace(shaped, values=values[-MOST_VALUES:], processes={**shaped.processes, **found})


def document(containers: Iterable[Shaped], boot: str) -> bytes:
    """The file's content."""
    entries = [
        {
            "id": shaped.id,
            "path": shaped.path,
            "original": shaped.original,
            "values": shaped.values,
            "processes": [{"pid": pid, "start": own.start, "original": own.value} for pid, own in _ordered(shaped)],
        }
        for shaped in containers
    ]
    return json.dumps({"formatVersion": FORMAT_VERSION, "bootId": boot, "containers": entries}).encode() + b"\n"


def parse(content: bytes, boot: str) -> dict[int, Shaped]:
    """The containers in a file's content, by memcg id; none if it is of another boot. Raises FieldError."""
    try:
        root = mapping("adjusted", json.loads(content))
    except (ValueError, RecursionError) as error:
        raise FieldError("adjusted", "JSON", str(error)) from None
    if integer("formatVersion", root.get("formatVersion"), BYTES) != FORMAT_VERSION:
        raise FieldError("formatVersion", str(FORMAT_VERSION), root["formatVersion"])
    if root.get("bootId") != boot:
        return {}
    found = [_shaped(*item) for item in items("containers", root.get("containers"), MOST_PROCESSES)]
    return {shaped.id: shaped for shaped in found}


def _shaped(field: str, fields: Object) -> Shaped:
    values = fields.get("values")
    if not isinstance(values, list) or not 0 < len(values) <= MOST_VALUES:
        raise FieldError(f"{field}.values", f"1 to {MOST_VALUES} values", values)
    return Shaped(
        path=_path(f"{field}.path", fields.get("path")),
        id=integer(f"{field}.id", fields.get("id"), BYTES),
        original=integer(f"{field}.original", fields.get("original"), VALUES),
        values=tuple(integer(f"{field}.values", value, VALUES) for value in values),
        processes=dict(
            _process(*item) for item in items(f"{field}.processes", fields.get("processes"), MOST_PROCESSES)
        ),
    )


def _process(field: str, fields: Object) -> tuple[int, Original]:
    start = integer(f"{field}.start", fields.get("start"), BYTES)
    value = integer(f"{field}.original", fields.get("original"), VALUES)
    return integer(f"{field}.pid", fields.get("pid"), PIDS), Original(start, value)


def _path(field: str, found: object) -> str:
    if not isinstance(found, str) or len(found) > LONGEST_PATH or not found.startswith("/") or "/../" in f"{found}/":
        raise FieldError(field, f"the path of a memcg, at most {LONGEST_PATH} characters", found)
    return found


def _ordered(shaped: Shaped) -> list[tuple[int, Original]]:
    return sorted(shaped.processes.items())
