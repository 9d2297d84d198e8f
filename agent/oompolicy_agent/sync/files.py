"""Files that another process reads: replaced whole or not at all, also when the machine stops in between."""

import json
import os
from pathlib import Path
from typing import Any

__all__ = ["read_json", "replace_json"]

MODE = 0o640
MAXIMUM_BYTES = 8 << 20


def replace_json(path: Path, content: Any) -> None:  # noqa: ANN401 - whatever JSON can say
    """Replaces `path` by `content`; raises OSError and leaves the old file when that fails."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, MODE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, MODE)  # whatever the umask says
        json.dump(content, file, separators=(",", ":"))
        file.flush()
        os.fsync(descriptor)
    scratch.replace(path)


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in `path`; None when there is no such file or it holds something else."""
    try:
        with path.open("rb") as file:
            content = json.loads(file.read(MAXIMUM_BYTES))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
