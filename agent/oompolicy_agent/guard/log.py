"""One line per event on standard output: for people on a terminal, JSON with klog's keys elsewhere. Never waits.

A guard that waits for a full pipe while memory runs out is no guard: what does not fit at once is dropped and counted.
"""

import json
import os
import time

from oompolicy_agent.guard.clock import stamp

__all__ = ["LEVELS", "Log"]

LEVELS = ("Debug", "Info", "Warning", "Error")
"""Least severe first."""
_LONGEST = 4096
"""PIPE_BUF: up to here a write to a pipe happens whole or not at all."""


class Log:
    """Writes to one descriptor what is at least as severe as `level`."""

    def __init__(self, descriptor: int = 1, *, node: str = "", level: str = "") -> None:
        self._descriptor = descriptor
        self._is_terminal = os.isatty(descriptor)
        self._node = node
        self._least = LEVELS.index(level) if level in LEVELS else LEVELS.index("Info")
        self._dropped = 0
        if not self._is_terminal:  # a terminal's description is shared with the shell, which would stumble over it
            os.set_blocking(descriptor, False)

    def info(self, message: str, **fields: object) -> None:
        """What happened: past tense, a capital letter and no full stop. The fields say to whom."""
        self._write("Info", message, fields)

    def warning(self, message: str, **fields: object) -> None:
        """What somebody should look at."""
        self._write("Warning", message, fields)

    def error(self, message: str, **fields: object) -> None:
        """What kept the guard from doing its work."""
        self._write("Error", message, fields)

    def _write(self, level: str, message: str, fields: dict[str, object]) -> None:
        if LEVELS.index(level) < self._least:
            return
        severity = level.lower()
        if self._dropped:
            fields = fields | {"droppedLines": self._dropped}
        line = self._line(severity, message, fields)
        if len(line) > _LONGEST:
            line = self._line(severity, message[: _LONGEST // 8], {"shortened": True})
        try:
            os.write(self._descriptor, line)
            self._dropped = 0
        except OSError:  # full, or nobody reads any more: neither is a reason to stop guarding
            self._dropped += 1

    def _line(self, severity: str, message: str, fields: dict[str, object]) -> bytes:
        now = stamp(time.time())
        if self._is_terminal:
            pairs = "".join(f" {key}={json.dumps(value)}" for key, value in fields.items())
            return f"{now[11:23]} {severity.upper():7} {message}{pairs}\n".encode()
        record = {"timestamp": now, "severity": severity, "message": message, "node": self._node} | fields
        return json.dumps(record).encode() + b"\n"
