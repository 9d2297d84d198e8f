"""Prints what `kubectl` says as it says it: a followed log, or a watch."""

import json
import subprocess
import threading
from types import TracebackType
from typing import IO, Self

from lab import report
from lab.control_plane import ControlPlane

__all__ = ["Follower"]


_SHOWN = (
    "pod",
    "priority",
    "rule",
    "reason",
    "marginBytes",
    "thresholdBytes",
    "freedBytes",
    "milliseconds",
    "why",
    "err",
)


def _readable(line: str) -> str:
    """A line as it is; of a JSON log line the message and the keys that tell about a decision."""
    if not line.startswith("{"):
        return line
    record = json.loads(line)
    details = [_detail(key, record[key]) for key in _SHOWN if key in record]
    return " ".join([report.bold(record["message"]), *details])


def _detail(key: str, value: object) -> str:
    if key.endswith("Bytes") and isinstance(value, int):
        return f"{key.removesuffix('Bytes')}={value >> 20}MiB"
    return f"{key}={json.dumps(value)}"


class Follower:
    """Runs `kubectl ARGUMENTS` for as long as it is open and prints each line behind `title`, repeated lines once."""

    def __init__(self, control_plane: ControlPlane, title: str, *arguments: str) -> None:
        self._command = [
            str(control_plane.binaries / "kubectl"),
            f"--kubeconfig={control_plane.kubeconfig}",
            *arguments,
        ]
        self._title = title

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout is not None
        self._thread = threading.Thread(target=self._print, args=(self._process.stdout,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait()
        self._thread.join(timeout=5)
        if self._process.stdout:
            self._process.stdout.close()

    def _print(self, lines: IO[str]) -> None:
        last = ""
        for line in lines:
            if line != last:
                report.note(f"{report.dim(self._title)} {_readable(line.rstrip())}")
            last = line
