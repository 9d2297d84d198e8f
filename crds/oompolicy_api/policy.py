"""The OOMPolicy kind: who matters more when a node runs out of memory."""

from datetime import datetime
from typing import Any

from pydantic import Field

from oompolicy_api._model import ApiModel
from oompolicy_api.selectors import LabelSelector

__all__ = [
    "Condition",
    "Match",
    "NodeCounts",
    "OOMPolicy",
    "OOMPolicySpec",
    "OOMPolicyStatus",
    "PriorityFrom",
    "Protect",
    "ProtectCritical",
    "Rule",
]


class Match(ApiModel):
    """The pods a rule is for; an absent selector means any."""

    namespace_selector: LabelSelector | None = None
    pod_selector: LabelSelector | None = None


class PriorityFrom(ApiModel):
    """Takes the priority from the pod itself, clamped into [minimum, maximum]."""

    source: str
    minimum: int
    maximum: int


class Protect(ApiModel):
    """Makes pods no victims: `Always`, or as long as they stay within their memory `Request`."""

    up_to: str


class Rule(ApiModel):
    """One rule: the pods it matches, and exactly one of priority, priority_from and protect.

    A rule with none of the three was written for a newer agent.
    """

    name: str
    match: Match
    priority: int | None = None
    priority_from: PriorityFrom | None = None
    protect: Protect | None = None


class ProtectCritical(ApiModel):
    """The namespaces whose critical pods are no victims; an empty list also exposes static pods."""

    namespaces: tuple[str, ...]


class OOMPolicySpec(ApiModel):
    """What should happen, as its author wrote it. Defaults are those of the CRD."""

    node_selector: LabelSelector | None = None
    precedence: int = 0
    mode: str = "Enforce"
    default_priority: int = 0
    protect_critical: ProtectCritical = ProtectCritical(namespaces=("kube-system",))
    rules: tuple[Rule, ...] = ()


class NodeCounts(ApiModel):
    """How many nodes are in which state; the CRD describes each count."""

    desired: int = 0
    programmed: int = 0
    overridden: int = 0
    stale: int = 0
    kernel_hook: int = 0
    kernel_assist: int = 0
    userspace: int = 0
    off: int = 0


class Condition(ApiModel):
    """One observation, as metav1.Condition has it."""

    type: str
    status: str
    reason: str
    message: str
    last_transition_time: datetime
    observed_generation: int | None = None


class OOMPolicyStatus(ApiModel):
    """What became of the policy; written by the operator alone."""

    observed_generation: int | None = None
    nodes: NodeCounts | None = None
    conditions: tuple[Condition, ...] = ()


class Metadata(ApiModel):
    """The part of metav1.ObjectMeta that policies are told apart by."""

    name: str
    uid: str = ""
    generation: int = 0
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None


class OOMPolicy(ApiModel):
    """A cluster-scoped OOMPolicy object."""

    metadata: Metadata
    spec: OOMPolicySpec
    status: OOMPolicyStatus = Field(default_factory=OOMPolicyStatus)

    @classmethod
    def parse(cls, body: Any) -> "OOMPolicy":  # noqa: ANN401 - what the API client hands out has no better type
        """The policy in `body`, as the API server returns it; raises pydantic.ValidationError naming the field."""
        return cls.model_validate(body)
