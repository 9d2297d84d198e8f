"""Rolls the states of a policy's nodes up into its status: counts, and conditions whose messages have numbers."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from oompolicy_api.advice import unreachable
from oompolicy_api.conditions import Condition
from oompolicy_api.policy import NodeCounts, OOMPolicy, OOMPolicyStatus
from oompolicy_operator import reasons
from oompolicy_operator.acceptance import Rejection
from oompolicy_operator.conditions import renewed
from oompolicy_operator.standing import NodeState
from oompolicy_operator.tally import Tally

__all__ = ["rejected", "rollup"]

_TYPES = ("Accepted", "Programmed", "Ready")
_WARNED = "NeedsAttention"
"""True is what people should look at: it says nothing about whether the policy works."""


@dataclass(frozen=True, slots=True)
class _Observation:
    """A condition before it has a type and a time."""

    holds: bool
    reason: str
    message: str


def rollup(policy: OOMPolicy, states: Iterable[NodeState], *, now: datetime, problem: str = "") -> OOMPolicyStatus:
    """The status of `policy` at `now`.

    A condition keeps its lastTransitionTime as long as its status is the same.

    Args:
        policy: with the status that it has had until now.
        states: one for each node that it selects.
        now: the time of what changes.
        problem: what the API server said when it refused the DaemonSet.
    """
    tally = Tally(states)
    observations = (
        _Observation(holds=True, reason=reasons.ACCEPTED, message="The policy is valid"),
        _programmed(tally, problem),
        _ready(tally, problem, is_off=policy.spec.mode == "Off"),
        _attention(policy, tally),
    )
    return _status(
        zip((*_TYPES, _WARNED), observations, strict=True),
        policy.status,
        policy.metadata.generation,
        now,
        tally.counts(),
    )


def rejected(rejection: Rejection, *, now: datetime) -> OOMPolicyStatus:
    """The status of a policy that we do not understand. Its counts stand: its agents do what they were told before."""
    observation = _Observation(holds=False, reason=reasons.NOT_UNDERSTOOD, message=rejection.message)
    previous = rejection.status
    return _status([(kind, observation) for kind in _TYPES], previous, rejection.generation, now, previous.nodes)


def _programmed(tally: Tally, problem: str) -> _Observation:
    if failed := _impossible(tally, problem):
        return failed
    if tally.own and tally.programmed == tally.own:
        return _Observation(holds=True, reason=reasons.PROGRAMMED, message=str(tally))
    reason = reasons.PARTIALLY_PROGRAMMED if tally.programmed else reasons.RECONCILING
    return _Observation(holds=False, reason=reason if tally.own else reasons.OVERRIDDEN, message=str(tally))


def _ready(tally: Tally, problem: str, *, is_off: bool) -> _Observation:
    if failed := _impossible(tally, problem):
        return failed
    reason = _why_not_ready(tally, is_off=is_off)
    return _Observation(holds=not reason, reason=reason or reasons.READY, message=str(tally))


def _attention(policy: OOMPolicy, tally: Tally) -> _Observation:
    mistakes = unreachable(policy)
    if not mistakes and not tally.troubled:
        return _Observation(holds=False, reason=reasons.NOTHING_TO_MEND, message="Nothing needs a person")
    said = [*mistakes, tally.problems()] if tally.troubled else mistakes
    reason = reasons.UNREACHABLE_RULES if mistakes else reasons.NODE_PROBLEMS
    return _Observation(holds=True, reason=reason, message="; ".join(said))


def _impossible(tally: Tally, problem: str) -> _Observation | None:
    if problem:
        return _Observation(holds=False, reason=reasons.APPLY_FAILED, message=problem)
    if tally.desired:
        return None
    message = "0 nodes match spec.nodeSelector and can run an agent"
    return _Observation(holds=False, reason=reasons.NO_MATCHING_NODES, message=message)


def _why_not_ready(tally: Tally, *, is_off: bool) -> str:
    if tally.off:
        return reasons.MODE_OFF if is_off else reasons.BACKEND_OFF
    if tally.stale:
        return reasons.AGENTS_NOT_READY
    return "" if tally.programmed == tally.own else reasons.RECONCILING


def _status(
    observations: Iterable[tuple[str, _Observation]],
    previous: OOMPolicyStatus,
    generation: int,
    now: datetime,
    nodes: NodeCounts | None,
) -> OOMPolicyStatus:
    before = {condition.type: condition for condition in previous.conditions}
    conditions = tuple(_condition(kind, each, before.get(kind), generation, now) for kind, each in observations)
    return OOMPolicyStatus(observed_generation=generation, nodes=nodes, conditions=conditions)


def _condition(kind: str, seen: _Observation, before: Condition | None, generation: int, now: datetime) -> Condition:
    new = Condition(
        type=kind,
        status="True" if seen.holds else "False",
        reason=seen.reason,
        message=seen.message,
        last_transition_time=now,
        observed_generation=generation,
    )
    return renewed(before, new)
