"""The operator's one decision: what should be, given a policy and what is. Pure; the controller does what it says."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from oompolicy_api.conditions import Condition
from oompolicy_api.policy import OOMPolicy, OOMPolicyStatus
from oompolicy_operator import reasons
from oompolicy_operator.acceptance import Rejection
from oompolicy_operator.drift import differs
from oompolicy_operator.manifests import Manifest, daemon_set_for
from oompolicy_operator.observed import Observed
from oompolicy_operator.rollup import rejected, rollup
from oompolicy_operator.settings import AgentSettings
from oompolicy_operator.standing import node_states

__all__ = ["Notice", "Wanted", "daemon_set_to_apply", "reconcile"]


@dataclass(frozen=True, slots=True)
class Notice:
    """An Event on the policy, worth a person's attention; `type` is Normal or Warning."""

    type: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What should change. None and empty mean that all is as it should be."""

    status: OOMPolicyStatus | None = None
    notices: tuple[Notice, ...] = ()


def daemon_set_to_apply(
    policy: OOMPolicy | Rejection, found: Mapping[str, Any] | None, agent: AgentSettings
) -> Manifest | None:
    """The DaemonSet to write, or None when `found` is as it should be or the policy is going or not understood."""
    if isinstance(policy, Rejection) or policy.metadata.deletion_timestamp is not None:
        return None
    wanted = daemon_set_for(policy, agent)
    return wanted if differs(wanted, found) else None


def reconcile(policy: OOMPolicy | Rejection, observed: Observed, *, now: datetime, problem: str = "") -> Wanted:
    """What `policy`'s status should say at `now`.

    Args:
        policy: as it is stored, with its status.
        observed: the cluster.
        now: the time of what changes.
        problem: why the API server refused the DaemonSet; empty when it did not.
    """
    if isinstance(policy, Rejection):
        return _changed(policy.status, rejected(policy, now=now))
    if policy.metadata.deletion_timestamp is not None:
        return Wanted()
    return _changed(policy.status, rollup(policy, node_states(policy, observed), now=now, problem=problem))


def _changed(before: OOMPolicyStatus, after: OOMPolicyStatus) -> Wanted:
    return Wanted() if before == after else Wanted(after, _notices(before, after))


def _notices(before: OOMPolicyStatus, after: OOMPolicyStatus) -> tuple[Notice, ...]:
    """One when Ready turns, or when it is False for another reason that somebody should act on."""
    was, is_now = _ready(before), _ready(after)
    if is_now is None or (was and (was.status, was.reason) == (is_now.status, is_now.reason)):
        return ()
    if _is_true(is_now):
        return (Notice("Normal", is_now.reason, is_now.message),)
    if is_now.reason == reasons.RECONCILING or (is_now.reason == reasons.AGENTS_NOT_READY and not _is_true(was)):
        return ()  # where every policy passes through
    return (Notice("Warning", is_now.reason, is_now.message),)


def _is_true(condition: Condition | None) -> bool:
    return condition is not None and condition.status == "True"


def _ready(status: OOMPolicyStatus) -> Condition | None:
    return next((condition for condition in status.conditions if condition.type == "Ready"), None)
