"""The OOMDecision kind: the record of one kill or would-be kill. The CRD describes each field; sizes in bytes."""

from datetime import datetime

from pydantic import Field

from oompolicy_api._model import ApiModel
from oompolicy_api.conditions import Condition

__all__ = [
    "DecidedPolicy",
    "DecidedVictim",
    "Layer",
    "OOMDecision",
    "OOMDecisionSpec",
    "OOMDecisionStatus",
    "Sample",
    "TriggerSeen",
]


class DecidedPolicy(ApiModel):
    """The policy that decided."""

    name: str
    uid: str
    generation: int


class TriggerSeen(ApiModel):
    """Why the agent acted."""

    reason: str
    attribution: str | None = None
    margin_bytes: int | None = None
    threshold_bytes: int | None = None
    growth_bytes_per_second: int | None = None
    stall_milliseconds: int | None = None
    swap_free_bytes: int | None = None


class DecidedVictim(ApiModel):
    """Who was chosen, or one in the order."""

    path: str
    unit: str | None = None
    namespace: str | None = None
    pod: str | None = None
    pod_uid: str | None = Field(default=None, alias="podUID")
    container: str | None = None
    process: str | None = None
    priority: int | None = None
    rule: str | None = None
    source: str | None = None
    usage_bytes: int | None = None


class Layer(ApiModel):
    """One comparison of siblings."""

    parent: str
    chosen: str
    spared: tuple[str, ...] = ()
    spared_count: int | None = None
    decided_by: str


class Sample(ApiModel):
    """What one look at the domain showed, so long after the first signal, or after the decision if there was none."""

    offset_milliseconds: int
    margin_bytes: int
    stall_percent: int | None = None


class OOMDecisionSpec(ApiModel):
    """What was decided."""

    id: str
    node: str
    time: datetime
    domain: str
    mode: str
    backend: str | None = None
    outcome: str
    agreed: bool | None = None
    why: str | None = None
    evict: bool | None = None
    policy: DecidedPolicy | None = None
    trigger: TriggerSeen | None = None
    victim: DecidedVictim | None = None
    layers: tuple[Layer, ...] = ()
    ranking: tuple[DecidedVictim, ...] = ()
    grace_milliseconds: int | None = None
    tasks_signalled: int | None = None
    freed_bytes: int | None = None
    kernel_kills: int | None = None
    shortage_to_signal_milliseconds: int | None = None
    signal_to_empty_milliseconds: int | None = None
    signal_to_freed_milliseconds: int | None = None
    samples: tuple[Sample, ...] = ()


class OOMDecisionStatus(ApiModel):
    """What the operator did about it."""

    conditions: tuple[Condition, ...] = ()


class DecisionMetadata(ApiModel):
    """The part of metav1.ObjectMeta that decisions are told apart by."""

    name: str
    namespace: str = ""
    uid: str = ""


class OOMDecision(ApiModel):
    """An OOMDecision object, in the operator's namespace."""

    metadata: DecisionMetadata
    spec: OOMDecisionSpec
    status: OOMDecisionStatus = Field(default_factory=OOMDecisionStatus)
