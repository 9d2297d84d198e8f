"""What the guard says about itself: `guard-status.json`, written on change and every ten seconds."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from oompolicy_agent.guard.clock import stamp
from oompolicy_agent.guard.disk import Disk
from oompolicy_agent.guard.files import read_kernel, replace
from oompolicy_agent.guard.hook_abi import Counts
from oompolicy_agent.guard.log import Log
from oompolicy_agent.guard.records import FORMAT_VERSION, policy_document
from oompolicy_agent.guard.snapshot import Mapped
from oompolicy_agent.guard.support import Reason
from oompolicy_agent.guard.targets import Policy

__all__ = ["NAME", "Status", "StatusFile", "boot_id"]

NAME = "guard-status.json"
INTERVAL = 10.0
UNSTEADY = ("updatedAt", "marginBytes")
"""Fields that are different every time and no news."""
MOST_PROBLEMS = 16


@dataclass(frozen=True, slots=True)
class Status:
    """Everything it says, in the words of the file."""

    policy: Policy | None
    audit: Policy | None
    """The one that decides beside it and touches nothing."""
    reasons: tuple[Reason, ...]
    backend: str
    threshold_bytes: int | None
    margin_bytes: int | None
    survivable_growth: int | None
    mapped: Mapped
    kills: int
    kernel_kills: int
    disagreed: int
    own_limit_kills: int
    budget_left: int
    """Kills."""
    adjusted: int
    handled: Counts | None
    """By the OOM handler, if it is in force."""
    last_decision: Mapping[str, object] | None
    problems: Iterable[str]

    def document(self, pod_uid: str, boot: str) -> dict[str, object]:
        """As the file has it, except for the time."""
        return {
            "formatVersion": FORMAT_VERSION,
            "podUid": pod_uid,
            "bootId": boot,
            "policy": policy_document(self.policy),
            "mode": self.policy and self.policy.mode,
            "auditPolicy": policy_document(self.audit),
            "backend": self.backend,
            "reasons": [{"backend": r.backend, "reason": r.reason, "message": r.message} for r in self.reasons],
            "thresholdBytes": self.threshold_bytes,
            "marginBytes": self.margin_bytes,
            "survivableGrowthBytesPerSecond": self.survivable_growth,
            "targetsMapped": self.mapped.targets_mapped,
            "podsWithoutCgroup": self.mapped.pods_without_cgroup,
            "unknownLeaves": self.mapped.unknown_leaves,
            "kills": self.kills,
            "kernelKills": self.kernel_kills,
            "kernelKillsDisagreed": self.disagreed,
            "ownLimitKills": self.own_limit_kills,
            "budgetLeft": self.budget_left,
            "adjustedProcesses": self.adjusted,
            "handler": self.handled and self.handled.document(),
            "lastDecision": self.last_decision,
            "problems": list(dict.fromkeys(self.problems))[:MOST_PROBLEMS],
        }


class StatusFile:
    """Writes the file in a directory, by its descriptor."""

    def __init__(self, directory: int, log: Log, disk: Disk) -> None:
        self._directory = directory
        self._log = log
        self._disk = disk
        self._news: object = None
        self._written_at = float("-inf")
        self._is_failing = False

    def publish(self, document: dict[str, object], monotonic: float, wall: float) -> None:
        """Has it written if there is news or it is time; while the last one is being written, news wait."""
        if not self._disk.is_idle:
            return
        self._tell_of_errors()
        news = {key: value for key, value in document.items() if key not in UNSTEADY}
        if news == self._news and monotonic - self._written_at < INTERVAL:
            return
        self._news, self._written_at = news, monotonic
        content = json.dumps({"updatedAt": stamp(wall)} | document).encode() + b"\n"
        self._disk.start(lambda: replace(self._directory, NAME, content, 0o644))

    def _tell_of_errors(self) -> None:
        if (error := self._disk.error) and not self._is_failing:
            self._log.error("Could not write the status", path=NAME, err=str(error))
        self._is_failing = error is not None


def boot_id(proc: str) -> str:
    """Which boot of the machine this is; cgroup ids mean nothing in another."""
    return (read_kernel(f"{proc}/sys/kernel/random/boot_id") or "").strip()
