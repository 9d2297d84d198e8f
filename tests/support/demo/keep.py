"""Leaves a cluster up after the command that made it has returned (`make demo KEEP=1`).

Everything that the demo starts dies with the process that started it. So that process is split off: it plays the demo,
tells its parent how it went, and then stays as the cluster's keeper until it is asked to end. Its pid stands in the
cache.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from lab import cache, report

__all__ = ["end_kept", "keep_up", "pid_file", "split_off"]


def pid_file() -> Path:
    """Where the keeper's pid stands while a cluster is kept."""
    return cache.cache_root() / "demo.pid"


def end_kept(patience_seconds: float = 60) -> None:
    """Takes down the cluster that an earlier `make demo KEEP=1` left up, if there is one."""
    try:
        keeper = int(pid_file().read_text())
        os.kill(keeper, signal.SIGTERM)
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return
    report.step(f"Taking down the cluster that process {keeper} kept up")
    deadline = time.monotonic() + patience_seconds
    while pid_file().exists() and time.monotonic() < deadline:
        time.sleep(0.2)


def split_off(play: Callable[[Callable[[int], None]], int]) -> int:
    """Runs `play(report_code)` in a keeper process and returns the exit code that it reports.

    `play` calls `report_code(code)` when the demo is over, which lets this function return in the parent, and goes on
    keeping the cluster up. When it returns or fails earlier, its exit code counts.
    """
    reader, writer = os.pipe()
    if keeper := os.fork():
        os.close(writer)
        with os.fdopen(reader, "rb") as answer:
            said = answer.read(1)
        return said[0] if said else os.waitstatus_to_exitcode(os.waitpid(keeper, 0)[1]) or 1
    os.close(reader)
    os.setsid()
    sys.exit(play(lambda code: _let_parent_go(writer, code)))


def _let_parent_go(writer: int, code: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    os.write(writer, bytes([code]))
    os.close(writer)


def keep_up() -> None:
    """Waits until the keeper is asked to end, and says by the pid file that it is there."""
    pid_file().write_text(str(os.getpid()))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        while True:
            signal.pause()
    except KeyboardInterrupt:
        return
