"""What the guard is told: `targets.json`, computed from the world and written when it says something new."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from oompolicy_agent.resolve import Target, resolve
from oompolicy_agent.sync.files import read_json, replace_json
from oompolicy_agent.sync.world import World
from oompolicy_api.policy import OOMPolicy
from oompolicy_api.precedence import in_force

__all__ = ["Plan", "plan", "write"]

FORMAT_VERSION = 1
TIE_BREAK = "LargestUsage"
KNOWN_MODES = ("Enforce", "Audit", "Off")


@dataclass(frozen=True, slots=True)
class Plan:
    """What the node should do.

    Attributes:
        document: the content of targets.json without `writtenAt`; None: not enough is known, what stands there stays.
        problems: one sentence for each thing that was not understood.
    """

    document: dict[str, Any] | None
    problems: tuple[str, ...] = ()


def plan(world: World, node: str, kubelet_hard_eviction_bytes: int | None = None) -> Plan:
    """What `node` should do in `world`.

    A policy of which no version could be read might be the one that acts, so it holds everything as it is. A pod whose
    namespace has not been seen yet waits for it: its rules may depend on the namespace's labels.
    """
    if not (world.complete and world.readable and world.node and world.node.value):
        return Plan(None, world.problems)
    try:
        policy = in_force(world.policies, world.node.value.labels)
    except ValueError as error:
        return Plan(None, (*world.problems, f"OOMPolicy: spec.nodeSelector.{error}; keeping the last targets"))
    document = {"formatVersion": FORMAT_VERSION, "node": node, "policy": None, "pods": []}
    document["kubeletHardEvictionBytes"] = kubelet_hard_eviction_bytes
    if policy is None:
        return Plan(document, world.problems)
    return _under(policy, world, document)


def _under(policy: OOMPolicy, world: World, document: dict[str, Any]) -> Plan:
    namespaces = world.namespaces
    resolution = resolve(policy, (pod for pod in world.pods if pod.namespace in namespaces), namespaces)
    pods = {target.pod.uid: _pod(target) for target in resolution.targets}
    mode, doubt = _mode(policy)
    document |= {"policy": _policy(policy, mode), "pods": sorted(pods.values(), key=lambda pod: str(pod["uid"]))}
    return Plan(document, (*world.problems, *doubt, *resolution.problems))


def _mode(policy: OOMPolicy) -> tuple[str, tuple[str, ...]]:
    """Its mode; one that this version does not know touches nothing."""
    if policy.spec.mode in KNOWN_MODES:
        return policy.spec.mode, ()
    expected = ", ".join(KNOWN_MODES)
    return "Off", (
        f"Policy {policy.metadata.name}: spec.mode: expected {expected}, found {policy.spec.mode}; taken as Off",
    )


def _policy(policy: OOMPolicy, mode: str) -> dict[str, Any]:
    meta = policy.metadata
    return {
        "name": meta.name,
        "uid": meta.uid,
        "generation": meta.generation,
        "mode": mode,
        "defaultPriority": policy.spec.default_priority,
        "tieBreak": TIE_BREAK,
    }


def _pod(target: Target) -> dict[str, Any]:
    pod = target.pod
    containers = [
        {"name": c.name, "id": c.id, "priority": None, "requestBytes": c.request_bytes} for c in target.containers
    ]
    return {
        "uid": pod.uid,
        "namespace": pod.namespace,
        "name": pod.name,
        "priority": target.priority,
        "protect": target.protect,
        "unit": target.unit,
        "rule": target.rule,
        "source": target.source,
        "requestBytes": pod.request_bytes,
        "guaranteed": pod.guaranteed,
        "terminating": pod.terminating,
        "containers": containers,
    }


def write(path: Path, document: dict[str, Any], now: datetime) -> bool:
    """Writes `document` unless `path` says the same already; whether it did. Raises OSError.

    The file is compared and not what was written last, because during an update two agents write to one node.
    """
    standing = read_json(path)
    if standing is not None and {**standing, "writtenAt": None} == {**document, "writtenAt": None}:
        return False
    written_at = now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    replace_json(path, {**document, "writtenAt": written_at})
    return True
