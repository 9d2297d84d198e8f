"""Reads the guard's journal while the guard may be writing it."""

import json
from typing import Any

__all__ = ["records"]


def records(text: str) -> list[dict[str, Any]]:
    """The records that are whole; the last line may be half written."""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
