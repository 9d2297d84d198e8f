"""What a person sees on a terminal, and a program in a pipe."""

import os
import pty
import subprocess
import sys

import pytest

SCRIPT = """
from oompolicy_agent.cli.printing import Printer, bad, counting
with counting("pods") as count:
    count(500, 700)
    count(700, 0)
Printer("table").table(("NAME", "READY"), [["a" * 100, bad("False")]])
"""


def shown_on_a_terminal() -> str:
    """What a process has written to a terminal that is 80 columns wide."""
    ours, theirs = pty.openpty()
    environment = {"TERM": "xterm-256color", "COLUMNS": "80", "PATH": os.environ["PATH"]}
    with subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        written = b"".join(iter(lambda: _read(ours), b""))
    os.close(ours)
    assert process.returncode == 0, written
    return written.decode()


def _read(descriptor: int) -> bytes:
    """The next piece; nothing at the end, which a terminal tells by an error."""
    try:
        return os.read(descriptor, 4096)
    except OSError:
        return b""


def test_a_terminal_shows_colours_and_how_far_it_is() -> None:
    written = shown_on_a_terminal()
    assert "\033[1;31mFalse" in written
    assert "Reading pods" in written
    assert "1200/1200" in written


@pytest.mark.parametrize("variable", ["COLUMNS", "NO_COLOR"])
def test_a_pipe_gets_plain_lines_that_are_not_broken(variable: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, env=os.environ | {variable: "40"}
    )
    assert done.stdout.splitlines()[1].split() == ["a" * 100, "False"]
    assert done.stderr == ""
    assert "\033" not in done.stdout
