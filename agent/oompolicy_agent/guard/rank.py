"""`oompolicy-guard rank`: in which order a recorded tree would die, and why.

Reads a snapshot, prints the order, touches nothing. JSON is written candidate by candidate, because every layer names
all whom it spared and the whole can be large.
"""

import argparse
import itertools
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TextIO

from oompolicy_agent import explain
from oompolicy_agent.model import Candidate, Key, Snapshot, TieBreak
from oompolicy_agent.select import victims
from oompolicy_agent.snapshot_json import SnapshotError, candidate_document, parse

__all__ = ["add_arguments", "main", "run"]

_LARGEST_FILE: Final = 64 << 20
_REFUSED: Final = 2

_VALUE_TITLES: Final = {
    TieBreak.LARGEST_USAGE: "USAGE",
    TieBreak.MOST_OVER_REQUEST: "OVER REQUEST",
    TieBreak.NEWEST: "ID",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument(
        "--snapshot", required=True, metavar="FILE", help="the recorded tree, JSON; - for standard input"
    )
    parser.add_argument("--output", choices=("text", "json"), default="text", help="text for people (default), or json")
    parser.add_argument("--first", type=_positive, metavar="N", help="only the first N to die; default: all")


def run(args: argparse.Namespace) -> int:
    """Print the order. Returns 0, or 2 for a snapshot that is refused, after one line on standard error."""
    try:
        snapshot = parse(_content(args.snapshot))
    except SnapshotError as error:
        sys.stderr.write(f"oompolicy-guard rank: {explain.readable(str(error))}\n")
        return _REFUSED
    order = itertools.islice(victims(snapshot), args.first)
    try:
        (_write_json if args.output == "json" else _write_text)(sys.stdout, snapshot, order)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough; the interpreter must not flush into the pipe once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def main() -> int:
    """Run the command on its own."""
    parser = argparse.ArgumentParser(prog="oompolicy-guard rank", description=__doc__.partition("\n")[0])
    add_arguments(parser)
    return run(parser.parse_args())


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a positive number, found {text}")
    return number


def _content(name: str) -> bytes:
    try:
        if name == "-":
            content = sys.stdin.buffer.read(_LARGEST_FILE + 1)
        else:
            with Path(name).open("rb") as file:
                content = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise SnapshotError("--snapshot", f"cannot read {name}: {error.strerror}") from None
    if len(content) > _LARGEST_FILE:
        raise SnapshotError("--snapshot", f"expected at most {_LARGEST_FILE >> 20} MiB, found more in {name}")
    return content


def _write_json(out: TextIO, _snapshot: Snapshot, order: Iterator[Candidate]) -> None:
    out.write('{"order": [')
    separators = itertools.chain(("\n ",), itertools.repeat(",\n "))
    out.writelines(
        before + json.dumps(candidate_document(candidate)) for before, candidate in zip(separators, order, strict=False)
    )
    out.write("]}\n")


def _write_text(out: TextIO, snapshot: Snapshot, order: Iterator[Candidate]) -> None:
    where = explain.place(snapshot.domain)
    title = ("#", "VICTIM", "PRIORITY", _VALUE_TITLES[snapshot.tie_break], "WHY")
    rows = [_row(place, candidate, snapshot.tie_break) for place, candidate in enumerate(order, start=1)]
    if not rows:
        out.write(f"Nothing may be killed when {where} runs out of memory: it is left to the kernel.\n")
        return
    out.write(f"When {where} runs out of memory, first to die first ({snapshot.tie_break.value} at equal priority):\n")
    widths = [max(len(row[column]) for row in (title, *rows)) for column in range(4)]
    out.writelines(_line(row, widths) for row in (title, *rows))


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    place, victim, priority, value, why = row
    return f"{place:>{widths[0]}}  {victim:<{widths[1]}}  {priority:>{widths[2]}}  {value:>{widths[3]}}  {why}\n"


def _row(place: int, candidate: Candidate, tie_break: TieBreak) -> tuple[str, str, str, str, str]:
    key = candidate.key
    return (
        str(place),
        explain.readable(candidate.path),
        "unknown" if key.unknown else str(key.priority),
        _value(key, tie_break),
        explain.why(candidate, tie_break),
    )


def _value(key: Key, tie_break: TieBreak) -> str:
    return str(-key.minus_value) if tie_break is TieBreak.NEWEST else explain.amount(-key.minus_value)


if __name__ == "__main__":
    sys.exit(main())
