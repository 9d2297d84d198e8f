"""What the operator does about decisions: which are old enough to go, and whose pods are to be evicted. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from pydantic import ValidationError

from oompolicy_api.conditions import Condition
from oompolicy_api.decision import OOMDecision
from oompolicy_operator.conditions import renewed

__all__ = ["EVICTED", "Kept", "Verdict", "answered", "condition", "judge", "kept", "surplus"]

EVICTED = "Evicted"
"""The type of the condition, and the reason when it holds."""
POD_GONE, DISRUPTION_BUDGET, REFUSED, TOO_LATE = "PodGone", "DisruptionBudget", "Refused", "TooLate"
"""The reasons when it does not."""
FINAL = (EVICTED, POD_GONE, REFUSED, TOO_LATE)
IN_TIME = timedelta(minutes=10)
"""After so long an eviction has nothing to do with the kill any more."""
_NOT_FOUND, _CONFLICT, _TOO_MANY_REQUESTS = 404, 409, 429


class Kept(NamedTuple):
    """One decision, cut down to what is asked of it later."""

    name: str
    uid: str
    time: datetime
    node: str
    namespace: str
    pod: str
    pod_uid: str
    wants_eviction: bool
    """Asked for, and not settled yet."""
    before: tuple[Condition, ...]
    """The conditions that it has."""


class Verdict(NamedTuple):
    """How an attempt to evict ended."""

    reason: str
    message: str

    @property
    def is_final(self) -> bool:
        """Whether another attempt would be of no use."""
        return self.reason in FINAL


def kept(body: Mapping[str, Any]) -> Kept | None:
    """What is kept of the OOMDecision in `body`; None if it cannot be read."""
    try:
        decision = OOMDecision.model_validate(dict(body))
    except ValidationError:
        return None
    spec, victim = decision.spec, decision.spec.victim
    pod, namespace, uid = (victim.pod, victim.namespace, victim.pod_uid) if victim else (None, None, None)
    is_settled = any(each.type == EVICTED and each.reason in FINAL for each in decision.status.conditions)
    return Kept(
        name=decision.metadata.name,
        uid=decision.metadata.uid,
        time=spec.time,
        node=spec.node,
        namespace=namespace or "",
        pod=pod or "",
        pod_uid=uid or "",
        wants_eviction=bool(spec.evict and pod and namespace and uid) and not is_settled,
        before=decision.status.conditions,
    )


def surplus(decisions: Iterable[Kept], *, now: datetime, keep: int, most_days: int) -> list[str]:
    """The names of those that are too old, and of the oldest of those that are too many; oldest first."""
    oldest_first = sorted(decisions, key=lambda one: (one.time, one.name))
    too_many = len(oldest_first) - keep
    limit = now - timedelta(days=most_days)
    return [one.name for place, one in enumerate(oldest_first) if place < too_many or one.time < limit]


def judge(decision: Kept, found: Mapping[str, Any] | None, now: datetime) -> Verdict | None:
    """Why its pod must not be evicted; None: it may be.

    Args:
        decision: that asks for it.
        found: the pod of that name as the API server has it now.
        now: the time.
    """
    if now - decision.time > IN_TIME:
        return Verdict(TOO_LATE, f"Not evicted within {IN_TIME.seconds // 60} minutes of the kill")
    if found is None or found["metadata"]["uid"] != decision.pod_uid:
        return Verdict(POD_GONE, "The pod is gone, and so there is nothing to evict")
    if (found.get("spec") or {}).get("nodeName") != decision.node:
        return Verdict(REFUSED, f"The pod is not on node {decision.node}, which says that it killed it")
    return None


def answered(status: int, answer: str) -> Verdict:
    """How an eviction ended that the API server refused with this HTTP status."""
    if status in {_NOT_FOUND, _CONFLICT}:
        return Verdict(POD_GONE, "The pod is gone, and so there is nothing to evict")
    if status == _TOO_MANY_REQUESTS:
        return Verdict(DISRUPTION_BUDGET, answer)
    return Verdict(REFUSED, answer)


def condition(verdict: Verdict, before: Iterable[Condition], now: datetime) -> Condition:
    """The condition that says so; it keeps its lastTransitionTime as long as its status is the same."""
    old = next((each for each in before if each.type == EVICTED), None)
    status = "True" if verdict.reason == EVICTED else "False"
    new = Condition(
        type=EVICTED, status=status, reason=verdict.reason, message=verdict.message, last_transition_time=now
    )
    return renewed(old, new)
