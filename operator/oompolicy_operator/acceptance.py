"""Whether the operator understands a policy. The API server has validated it, but perhaps by a newer CRD than ours."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from oompolicy_api.policy import OOMPolicy, OOMPolicyStatus

__all__ = ["MODES", "Rejection", "accept"]

MODES = ("Enforce", "Audit", "Off")

_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")


@dataclass(frozen=True, slots=True)
class Rejection:
    """A policy that nobody acts by.

    Attributes:
        name, uid, generation: the policy's.
        status: what it has had until now; empty when we do not understand that either.
        message: which field, what was found there and what would have been understood.
    """

    name: str
    uid: str
    generation: int
    status: OOMPolicyStatus
    message: str


def accept(body: Mapping[str, Any]) -> OOMPolicy | Rejection:
    """The policy in `body`, or why it cannot be one."""
    try:
        policy = OOMPolicy.parse(dict(body))
    except ValidationError as error:
        problem = error.errors()[0]
        return _rejection(body, f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}")
    message = _not_understood(policy)
    return _rejection(body, message) if message else policy


def _not_understood(policy: OOMPolicy) -> str:
    """Only what decides where agents run and whether they act. Unknown rules are the agents' to protect and report."""
    if policy.spec.mode not in MODES:
        return f"spec.mode: expected one of {', '.join(MODES)}, found {policy.spec.mode!r}"
    selector = policy.spec.node_selector
    for index, requirement in enumerate(selector.match_expressions if selector else ()):
        if requirement.operator not in _OPERATORS:
            field = f"spec.nodeSelector.matchExpressions[{index}].operator"
            return f"{field}: expected one of {', '.join(_OPERATORS)}, found {requirement.operator!r}"
    return ""


def _rejection(body: Mapping[str, Any], message: str) -> Rejection:
    meta = body["metadata"]
    try:
        status = OOMPolicyStatus.model_validate(body.get("status", {}))
    except ValidationError:
        status = OOMPolicyStatus()
    return Rejection(meta["name"], meta["uid"], meta["generation"], status, message)
