"""The OOMNode kind: the truth about one node, written by that node's agent alone."""

from datetime import datetime

from pydantic import Field

from oompolicy_api._model import ApiModel

__all__ = ["AppliedPolicy", "LastDecision", "OOMNode", "OOMNodeStatus", "Reason"]


class AppliedPolicy(ApiModel):
    """One policy that the guard has applied."""

    name: str
    uid: str
    generation: int
    mode: str


class Reason(ApiModel):
    """Why one backend is not in use."""

    backend: str
    reason: str
    message: str


class LastDecision(ApiModel):
    """The guard's last decision in short."""

    id: str
    time: datetime
    outcome: str
    victim: str | None = None


class OOMNodeStatus(ApiModel):
    """What the guard applies and sees; the CRD describes each field. Sizes in bytes."""

    agent_pod_uid: str | None = Field(default=None, alias="agentPodUID")
    last_report_time: datetime | None = None
    policies: tuple[AppliedPolicy, ...] = ()
    mode: str | None = None
    backend: str | None = None
    reasons: tuple[Reason, ...] = ()
    threshold_bytes: int | None = None
    margin_bytes: int | None = None
    kubelet_hard_eviction_bytes: int | None = None
    survivable_growth_bytes_per_second: int | None = None
    targets_mapped: int | None = None
    pods_without_cgroup: int | None = None
    kills: int | None = None
    kernel_kills: int | None = None
    last_decision: LastDecision | None = None
    problems: tuple[str, ...] = ()


class NodeMetadata(ApiModel):
    """An OOMNode is named like its node."""

    name: str


class OOMNode(ApiModel):
    """A cluster-scoped OOMNode object."""

    metadata: NodeMetadata
    status: OOMNodeStatus = Field(default_factory=OOMNodeStatus)
