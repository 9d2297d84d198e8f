"""What a policy may choose for its agents' pods; all else about them is the chart's. Pure."""

from typing import Any, Final

from oompolicy_api.agents import AgentPods, Resources
from oompolicy_operator.settings import ContainerSettings

__all__ = ["LOG_LEVEL", "environment", "resources", "tolerations", "update_strategy"]

LOG_LEVEL: Final = "OOMPOLICY_LOG_LEVEL"
"""The environment variable that guard and sync read."""
ON_DELETE: Final = "OnDelete"

Manifest = dict[str, Any]


def resources(chosen: Resources, chart: ContainerSettings) -> Manifest:
    """Requests and limits: amount by amount the policy's, else the chart's."""
    own = {"requests": chosen.requests, "limits": chosen.limits}
    both = {kind: {**chart.resources.get(kind, {}), **amounts} for kind, amounts in own.items()}
    return {kind: amounts for kind, amounts in both.items() if amounts}


def tolerations(agent: AgentPods) -> list[Manifest]:
    """Every taint, unless the policy lists some: a node that runs out of memory may be tainted for it."""
    if agent.tolerations is None:
        return [{"operator": "Exists"}]
    return [one.model_dump(by_alias=True, exclude_none=True) for one in agent.tolerations]


def update_strategy(agent: AgentPods) -> Manifest:
    """On each node the new agent is there, and waits for the lock, before the old one goes."""
    chosen = agent.update_strategy
    if chosen and chosen.type == ON_DELETE:
        return {"type": ON_DELETE}
    surge = chosen.max_surge if chosen and chosen.max_surge is not None else 1
    number = int(surge) if str(surge).isdecimal() else surge
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": number, "maxUnavailable": 0}}


def environment(agent: AgentPods) -> list[Manifest]:
    """The variables that say what the policy chose."""
    return [{"name": LOG_LEVEL, "value": agent.log_level}] if agent.log_level else []
