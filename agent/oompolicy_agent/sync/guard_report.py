"""The guard's own report, `guard-status.json`: read by what publishes, and only by the agent in that guard's pod."""

from pathlib import Path
from typing import Any

from oompolicy_agent.sync.files import read_json

__all__ = ["POLL_SECONDS", "GuardReport"]

POLL_SECONDS = 0.5
"""How often each of the guard's files is looked at: one call of stat, which costs less than a watch is worth."""


class GuardReport:
    """`guard-status.json` of the guard in the pod `pod_uid`."""

    def __init__(self, path: Path, pod_uid: str) -> None:
        self._path = path
        self._pod_uid = pod_uid

    def version(self) -> tuple[int, int] | None:
        """Something that differs whenever the report may; None when there is none."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns

    def read(self) -> dict[str, Any] | None:
        """The report; None when there is none, or when it is another pod's."""
        report = read_json(self._path)
        return report if report is not None and report.get("podUid") == self._pod_uid else None
