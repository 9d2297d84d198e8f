"""Files that another process reads: replaced whole or not at all, also when the machine stops in between."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

__all__ = ["read_json", "replace_json", "replace_text"]

MODE = 0o640
MAXIMUM_BYTES = 8 << 20


def replace_json(path: Path, content: Any) -> None:  # noqa: ANN401 - whatever JSON can say
    """Replaces `path` by `content`; raises OSError and leaves the old file when that fails."""
    replace_text(path, json.dumps(content, separators=(",", ":")), MODE)


def replace_text(path: Path, text: str, mode: int) -> None:
    """The same with any text."""
    # A name of its own: the programs of two agents on one node may well have the same process id, each in its pod.
    descriptor, scratch = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(scratch).replace(path)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in `path`; None when there is no such file or it holds something else."""
    try:
        with path.open("rb") as file:
            content = json.loads(file.read(MAXIMUM_BYTES))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
