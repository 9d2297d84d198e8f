"""Says what is going on, on standard error: one line a step, coloured on a terminal, plain elsewhere."""

import os
import sys
import time

__all__ = ["bad", "bold", "dim", "done", "good", "note", "step"]

_START = time.monotonic()


def _painted(code: str, text: str) -> str:
    colour = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    return f"\x1b[{code}m{text}\x1b[0m" if colour else text


def bold(text: str) -> str:
    """`text` in bold on a terminal."""
    return _painted("1", text)


def dim(text: str) -> str:
    """`text` in grey on a terminal."""
    return _painted("2", text)


def good(text: str) -> str:
    """`text` in green on a terminal."""
    return _painted("32", text)


def bad(text: str) -> str:
    """`text` in red on a terminal."""
    return _painted("31", text)


def step(text: str) -> None:
    """A new step begins; printed with the seconds since the program started."""
    _say(bold("==> " + text))


def done(text: str) -> None:
    """What a step came to."""
    _say("    " + good(text))


def note(text: str) -> None:
    """Something worth knowing that is neither a step nor a result."""
    _say("    " + text)


def _say(text: str) -> None:
    print(f"{dim(f'{time.monotonic() - _START:6.1f}s')} {text}", file=sys.stderr, flush=True)
