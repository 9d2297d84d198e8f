"""What the operator keeps of the cluster: small values cut out of large objects as they arrive."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pydantic import ValidationError

from oompolicy_api.node import OOMNode
from oompolicy_operator.roster import Roster

__all__ = ["NodeReport", "Observed", "ReadyAgent", "ready_agent", "report"]

Labels = Mapping[str, str]


class ReadyAgent(NamedTuple):
    """An agent pod that is Ready, whatever policy it was made for."""

    uid: str
    node: str


class NodeReport(NamedTuple):
    """What one node's agent says in its OOMNode."""

    agent_pod_uid: str | None
    """The pod whose guard holds the node's lock."""
    applied: tuple[tuple[str, int], ...]
    """Uid and generation of the policies that the guard applies."""
    backend: str | None
    why: str
    """In one word, why the best backend is not the one that decides; if none does, why not even user space."""
    problems: tuple[str, ...] = ()
    """What needs a person there, in sentences."""


@dataclass(frozen=True, slots=True)
class Observed:
    """The cluster as far as a policy's nodes are concerned."""

    roster: Roster = field(default_factory=Roster)
    """Of all policies that were accepted."""
    nodes: Mapping[str, Labels] = field(default_factory=dict)
    ready_agents: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By node, the uids of its Ready agent pods: two for a moment while an agent is replaced."""
    reports: Mapping[str, NodeReport] = field(default_factory=dict)
    """By node."""


def ready_agent(pod: Mapping[str, Any]) -> ReadyAgent | None:
    """The agent in `pod`, or None as long as it is not Ready. One that is on its way out counts until it is not."""
    node = pod.get("spec", {}).get("nodeName")
    conditions = pod.get("status", {}).get("conditions") or ()
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    return ReadyAgent(pod["metadata"]["uid"], node) if ready and node else None


def report(body: Mapping[str, Any]) -> NodeReport | None:
    """What the OOMNode in `body` says, or None when we cannot read it: a node that nobody understands is stale."""
    try:
        status = OOMNode.model_validate(dict(body)).status
    except ValidationError:
        return None
    applied = tuple((each.uid, each.generation) for each in status.policies)
    missed = "Userspace" if status.backend == "Off" else "KernelHook"
    why = next((each.reason for each in status.reasons if each.backend == missed), "")
    return NodeReport(status.agent_pod_uid, applied, status.backend, why, status.problems)
