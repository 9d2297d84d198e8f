"""What an OOMPolicy says of its agents' pods. Absent fields: as the chart, or the CRD, says."""

from collections.abc import Mapping

from oompolicy_api._model import ApiModel

__all__ = ["AgentPods", "AgentResources", "Resources", "Toleration", "UpdateStrategy"]


class Resources(ApiModel):
    """Of one container: quantities by `cpu` and `memory`."""

    requests: Mapping[str, int | str] = {}
    limits: Mapping[str, int | str] = {}


class AgentResources(ApiModel):
    """Of both containers; what is absent is as the chart says."""

    guard: Resources = Resources()
    sync: Resources = Resources()


class Toleration(ApiModel):
    """One taint that the agents tolerate, as in a pod."""

    key: str | None = None
    operator: str | None = None
    value: str | None = None
    effect: str | None = None
    toleration_seconds: int | None = None


class UpdateStrategy(ApiModel):
    """How new agents replace the old ones."""

    type: str | None = None
    max_surge: int | str | None = None


class AgentPods(ApiModel):
    """The agents' pods; None for `tolerations`: every taint."""

    resources: AgentResources = AgentResources()
    tolerations: tuple[Toleration, ...] | None = None
    update_strategy: UpdateStrategy | None = None
    log_level: str | None = None
