"""What a program inside a test machine knows of the machine and of the guard on it."""

import json
from pathlib import Path
from typing import Any

__all__ = ["LARGEST_SHARE", "available", "kernel_kills", "records", "status", "write_targets"]

STATE = Path("/var/lib/oompolicy")
LARGEST_SHARE = 4
"""A domain's threshold is one part in this many of it, unless that is more than 200 MiB."""


def available() -> int:
    """MemAvailable, in bytes."""
    return _number("/proc/meminfo", "MemAvailable:") * 1024


def kernel_kills() -> int:
    """Processes that the kernel's OOM killer has ended since boot."""
    return _number("/proc/vmstat", "oom_kill")


def status() -> dict[str, Any]:
    """What the guard says about itself."""
    found: dict[str, Any] = json.loads((STATE / "outbox/guard-status.json").read_text())
    return found


def write_targets(text: str) -> None:
    """Puts it in the place of targets.json, as sync would: by rename."""
    fresh = STATE / "inbox/targets.json.new"
    fresh.write_text(text)
    fresh.rename(STATE / "inbox/targets.json")


def records(offset: int) -> tuple[list[dict[str, Any]], int]:
    """The guard's records from `offset` of its journal on, and where the next one will be."""
    journal = STATE / "outbox/decisions.jsonl"
    if not journal.exists():
        return [], 0
    with journal.open("rb") as file:
        file.seek(offset)
        found = file.read()
    whole = found[: found.rfind(b"\n") + 1]
    return [json.loads(line) for line in whole.splitlines()], offset + len(whole)


def _number(path: str, name: str) -> int:
    lines = (line.split() for line in Path(path).read_text().splitlines())
    return next(int(line[1]) for line in lines if line[0] == name)
