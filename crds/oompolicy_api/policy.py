"""The OOMPolicy kind: who matters more when a node runs out of memory."""

from datetime import datetime
from typing import Any

from pydantic import Field

from oompolicy_api._model import ApiModel
from oompolicy_api.acting import Budget, HostCgroup, Trigger, Victim
from oompolicy_api.agents import AgentPods
from oompolicy_api.conditions import Condition
from oompolicy_api.rules import Rule
from oompolicy_api.selectors import LabelSelector

__all__ = ["NodeCounts", "OOMPolicy", "OOMPolicySpec", "OOMPolicyStatus", "ProtectCritical"]


class ProtectCritical(ApiModel):
    """The namespaces whose critical pods are no victims; an empty list also exposes static pods."""

    namespaces: tuple[str, ...]


class OOMPolicySpec(ApiModel):
    """What should happen, as its author wrote it. Defaults are those of the CRD."""

    node_selector: LabelSelector | None = None
    precedence: int = 0
    mode: str = "Enforce"
    backends: tuple[str, ...] = ()
    """Empty: all that the agent knows."""
    default_priority: int = 0
    protect_critical: ProtectCritical = ProtectCritical(namespaces=("kube-system",))
    rules: tuple[Rule, ...] = ()
    host_cgroups: tuple[HostCgroup, ...] = ()
    victim: Victim = Victim()
    trigger: Trigger = Trigger()
    budget: Budget = Budget()
    agent: AgentPods = AgentPods()


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
