"""Follows the guard's journal: every record once it is complete, over rotations and restarts.

A file is known by its first line, which holds a decision's id: inode numbers are used again, first lines are not.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from oompolicy_agent.sync.files import read_json, replace_json

__all__ = ["Journal", "Position", "Record", "load_position", "save_position"]


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the journal: `offset` bytes into the file whose first line has this digest; empty for no file."""

    head: str = ""
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the journal.

    Attributes:
        content: None when the line is no JSON object.
        after: where the next record begins.
    """

    content: dict[str, Any] | None
    after: Position


class Journal:
    """The journal at `path`; what was rotated away stands beside it as `PATH.1`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rotated = path.with_name(f"{path.name}.1")

    def state(self) -> tuple[int, int] | None:
        """Something that differs whenever there may be more to read; None when there is no journal."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_size

    def records(self, position: Position) -> Iterator[Record]:
        """The complete records after `position`, oldest first.

        A position in a file that is gone (rotated away twice, or there never was one) reads all that there is.
        """
        with ExitStack() as stack:
            # The newer file first: if the guard rotates in between, we open one file twice and lose none.
            current, rotated = (self._opened(path, stack) for path in (self._path, self._rotated))
            if current and position.head == current[0]:
                yield from _from(current, position.offset)
                return
            if rotated and rotated[0] != (current and current[0]):
                yield from _from(rotated, position.offset if position.head == rotated[0] else 0)
            if current:
                yield from _from(current, 0)

    @staticmethod
    def _opened(path: Path, stack: ExitStack) -> tuple[str, IO[bytes]] | None:
        try:
            file = stack.enter_context(path.open("rb"))
        except FileNotFoundError:
            return None
        first = file.readline()
        return (hashlib.sha256(first).hexdigest(), file) if first.endswith(b"\n") else None


def _from(generation: tuple[str, IO[bytes]], offset: int) -> Iterator[Record]:
    head, file = generation
    file.seek(offset)
    for line in file:
        if not line.endswith(b"\n"):  # half written; the rest comes
            return
        offset += len(line)
        yield Record(_object(line), Position(head, offset))


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        content = json.loads(line)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def load_position(path: Path) -> Position:
    """The position kept in `path`; the beginning when there is none."""
    match read_json(path):
        case {"head": str(head), "offset": int(offset)} if offset >= 0:
            return Position(head, offset)
    return Position()


def save_position(path: Path, position: Position) -> None:
    """Keeps `position` in `path`; raises OSError."""
    replace_json(path, {"formatVersion": 1, "head": position.head, "offset": position.offset})
