"""What the commands print: tables for people, coloured on a terminal and plain in a pipe, or documents for programs.

rich knows what a terminal can show, and keeps to NO_COLOR.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import yaml
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

__all__ = ["FORMATS", "Cell", "Printer", "add_output", "bad", "counting", "good", "plain", "warned"]

FORMATS = ("table", "wide", "json", "yaml")
IN_A_PIPE = 10_000
"""Columns: whoever reads it there breaks no lines."""
NOTHING = "-"
Cell = str
"""Rich's markup; what comes from the cluster goes through `plain` first."""


def add_output(command: argparse.ArgumentParser) -> None:
    """The option that all commands share."""
    command.add_argument("-o", "--output", choices=FORMATS, default="table", help="default: table")


def plain(value: object) -> Cell:
    """Any value as a cell; None and empty are a dash."""
    return NOTHING if value in {None, ""} else escape(str(value))


def good(value: object) -> Cell:
    """As it should be."""
    return f"[green]{plain(value)}[/]"


def warned(value: object) -> Cell:
    """Worth a look."""
    return f"[yellow]{plain(value)}[/]"


def bad(value: object) -> Cell:
    """Not as it should be."""
    return f"[bold red]{plain(value)}[/]"


@contextmanager
def counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """Shows on a terminal how far long work is: what it yields is called with how many came, and how many will."""
    console = Console(stderr=True)
    columns = (TextColumn("Reading {task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task, came = progress.add_task(what, total=None), 0

        def count(more: int, left: int) -> None:
            nonlocal came
            came += more
            progress.update(task, completed=came, total=came + left)

        yield count


class Printer:
    """Standard output in one of `FORMATS`."""

    def __init__(self, output: str) -> None:
        self.output = output
        self.is_wide = output == "wide"
        width = None if sys.stdout.isatty() else IN_A_PIPE
        self._console = Console(file=sys.stdout, highlight=False, width=width, emoji=False)

    @property
    def is_document(self) -> bool:
        """Whether a program reads it."""
        return self.output in {"json", "yaml"}

    def document(self, content: Any) -> None:  # noqa: ANN401 - any JSON
        """For programs."""
        text = json.dumps(content, indent=2) if self.output == "json" else yaml.safe_dump(content, sort_keys=False)
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
        """For people; nothing wraps in a pipe."""
        table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 3, 0, 0))
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*row)
        with self._console.capture() as capture:
            self._console.print(table)
        sys.stdout.write("".join(f"{line.rstrip()}\n" for line in capture.get().splitlines()))

    def clear(self) -> None:
        """Before the next picture of something that is watched; nothing in a pipe."""
        if self._console.is_terminal:
            self._console.clear()

    def heading(self, text: str) -> None:
        """Before a part, after an empty line."""
        self._console.print(f"\n[bold]{escape(text)}[/]", soft_wrap=True)

    def line(self, cell: Cell = "") -> None:
        """One line."""
        self._console.print(cell, soft_wrap=True)
