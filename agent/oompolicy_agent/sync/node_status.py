"""The status of an OOMNode: what the guard says, in the API's words, and when saying it again is worth a write."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from oompolicy_api.node import OOMNodeStatus

__all__ = ["HEARTBEAT_SECONDS", "HESITATION_SECONDS", "Written", "is_due", "status_of"]

URGENT_SECONDS = 1.0
"""The shortest time between two writes, also for kills and policy changes."""

CHANGE_SECONDS = 10.0
"""The shortest time between two writes for what people need not see at once."""

HEARTBEAT_SECONDS = 60.0
"""The time after which a new report is written although only its time and the margin are new: 5,000 idle nodes are 83
writes a second. A guard whose lastReportTime is older than two of these is not heard of any more.
"""

HESITATION_SECONDS = 3.0
"""A changed policy reaches all nodes in the same moment, and each may take so long to say that it has."""

UNHURRIED = ("targetsMapped", "podsWithoutCgroup", "survivableGrowthBytesPerSecond", "kubeletHardEvictionBytes")
ALWAYS_MOVING = ("marginBytes", "lastReportTime")
MAXIMUM_PROBLEMS = 16
MAXIMUM_TEXT = 1024
MAXIMUM_VICTIM = 512


@dataclass(frozen=True, slots=True)
class Written:
    """The last status that the API server took, and when, in seconds of a steady clock."""

    status: Mapping[str, Any]
    at: float
    heartbeat: float = HEARTBEAT_SECONDS
    """Seconds after which it is written again in any case; each a little different, so that nodes drift apart."""


def status_of(
    report: Mapping[str, Any], *, problems: Iterable[str] = (), kubelet_hard_eviction_bytes: int | None = None
) -> dict[str, Any]:
    """The status for one `guard-status.json`, cut to the API's bounds; `problems` are this program's own.

    Raises:
        ValueError: the report is not what agent/README.md describes; the message names the field.
    """
    fields = {name: report.get(name) for name in _TAKEN_OVER}
    margin = report.get("marginBytes")
    fields |= {
        "marginBytes": max(0, margin) if isinstance(margin, int) else margin,  # below zero in the worst moments
        "agentPodUID": report.get("podUid"),
        "lastReportTime": report.get("updatedAt"),
        "policies": _policies(report),
        "mode": report.get("mode") if report.get("policy") else None,
        "reasons": list({str(r.get("backend")): _reason(r) for r in report.get("reasons") or ()}.values()),
        "lastDecision": _last_decision(report.get("lastDecision")),
        "kubeletHardEvictionBytes": kubelet_hard_eviction_bytes,
        "problems": _distinct([*(report.get("problems") or ()), *problems]),
    }
    try:
        status = OOMNodeStatus.model_validate({name: value for name, value in fields.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}, found {first['input']!r:.80}") from error
    return status.model_dump(mode="json", by_alias=True, exclude_none=True)


_TAKEN_OVER = (
    "backend", "thresholdBytes", "survivableGrowthBytesPerSecond",
    "targetsMapped", "podsWithoutCgroup", "kills", "kernelKills",
)  # fmt: skip


def _policies(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = ((report.get("policy"), report.get("mode")), (report.get("auditPolicy"), "Audit"))
    return [{**policy, "mode": mode} for policy, mode in found if policy]


def _reason(reason: Mapping[str, Any]) -> dict[str, Any]:
    return {**reason, "message": str(reason.get("message", ""))[:MAXIMUM_TEXT]}


def _last_decision(decision: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if decision is None or decision.get("victim") is None:
        return None if decision is None else dict(decision)
    return {**decision, "victim": str(decision["victim"])[:MAXIMUM_VICTIM]}


def _distinct(problems: Iterable[str]) -> list[str]:
    return [problem[:MAXIMUM_TEXT] for problem in dict.fromkeys(problems)][:MAXIMUM_PROBLEMS]


def is_due(status: Mapping[str, Any], written: Written | None, now: float) -> bool:
    """Whether `status` should be written at `now`, in seconds of the clock of `written`."""
    if written is None:
        return True
    age = now - written.at
    different = {key for key in status.keys() | written.status.keys() if status.get(key) != written.status.get(key)}
    if different - {*UNHURRIED, *ALWAYS_MOVING}:
        return age >= URGENT_SECONDS
    if different - {*ALWAYS_MOVING}:
        return age >= CHANGE_SECONDS
    return bool(different) and age >= written.heartbeat
