"""What the guard is told: `targets.json`, computed from the world and written when it says something new."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from oompolicy_agent.pods import PodError, quantity_bytes
from oompolicy_agent.resolve import PodProblem, Target, resolve
from oompolicy_agent.sync import foresight
from oompolicy_agent.sync.files import read_json, replace_json
from oompolicy_agent.sync.world import World
from oompolicy_api.acting import Trigger
from oompolicy_api.policy import OOMPolicy
from oompolicy_api.precedence import in_force

__all__ = ["Plan", "plan", "write"]

FORMAT_VERSION = 1
KNOWN_MODES = ("Enforce", "Audit", "Off")
TIE_BREAKS = ("LargestUsage", "MostOverRequest", "Newest")


@dataclass(frozen=True, slots=True)
class Plan:
    """What the node should do.

    Attributes:
        document: the content of targets.json without `writtenAt`; None: not enough is known, what stands there stays.
        problems: one sentence for each thing that was not understood.
        pod_problems: what tenants should mend in their pods.
    """

    document: dict[str, Any] | None
    problems: tuple[str, ...] = ()
    pod_problems: tuple[PodProblem, ...] = ()

    @property
    def protected_request_bytes(self) -> int | None:
        """Memory requests of the pods that the acting policy protects; None: not enough is known."""
        if self.document is None:
            return None
        return sum(int(pod["requestBytes"]) for pod in self.document["pods"] if pod["protect"])


def plan(world: World, node: str, kubelet_hard_eviction_bytes: int | None = None) -> Plan:
    """What `node` should do in `world`.

    A policy of which no version could be read might be the one that acts, so it holds everything as it is. A pod whose
    namespace has not been seen yet waits for it: its rules may depend on the namespace's labels.
    """
    if not (world.complete and world.readable and world.node and world.node.value):
        return Plan(None, world.problems)
    try:
        found = in_force(world.policies, world.node.value.labels)
    except ValueError as error:
        return Plan(None, (*world.problems, f"OOMPolicy: spec.nodeSelector.{error}; keeping the last targets"))
    document = {"formatVersion": FORMAT_VERSION, "node": node, "policy": None, "pods": [], "hostCgroups": []}
    document["kubeletHardEvictionBytes"] = kubelet_hard_eviction_bytes
    problems = list(world.problems)
    pod_problems: list[PodProblem] = []
    if found.acting:
        document |= _under(found.acting, world, problems, pod_problems)
    if found.shadow:
        document["audit"] = _under(found.shadow, world, problems, pod_problems)
    return Plan(document, tuple(problems), tuple(dict.fromkeys(pod_problems)))


def _under(policy: OOMPolicy, world: World, problems: list[str], pod_problems: list[PodProblem]) -> dict[str, Any]:
    """What one policy says of the node; adds what was not understood to the lists."""
    namespaces = world.namespaces
    resolution = resolve(policy, (pod for pod in world.pods if pod.namespace in namespaces), namespaces)
    pods = {target.pod.uid: _pod(target) for target in resolution.targets}
    described = _policy(policy, problems)
    problems += resolution.problems
    node = world.node.value if world.node else None
    problems += foresight.warnings(policy.metadata.name, resolution.targets, node.allocatable_bytes if node else 0)
    pod_problems += resolution.pod_problems
    return {
        "policy": described,
        "pods": sorted(pods.values(), key=lambda pod: str(pod["uid"])),
        "hostCgroups": [{"path": one.path, "priority": one.priority} for one in policy.spec.host_cgroups],
    }


def _policy(policy: OOMPolicy, doubts: list[str]) -> dict[str, Any]:
    """What the guard is told of the policy; each word that this version does not know is a sentence in `doubts`."""
    meta, spec = policy.metadata, policy.spec
    tie_break = spec.victim.tie_break or TIE_BREAKS[0]
    where = f"Policy {meta.name}: spec"
    return {
        "name": meta.name,
        "uid": meta.uid,
        "generation": meta.generation,
        "mode": _known(f"{where}.mode", spec.mode, KNOWN_MODES, "Off", doubts),  # which touches nothing
        "backends": list(spec.backends),
        "defaultPriority": spec.default_priority,
        "tieBreak": _known(f"{where}.victim.tieBreak", tie_break, TIE_BREAKS, TIE_BREAKS[0], doubts),
        "trigger": _trigger(where, spec.trigger, doubts),
        "budget": spec.budget.model_dump(by_alias=True, exclude_none=True),
    }


def _known(where: str, found: str, known: tuple[str, ...], safe: str, doubts: list[str]) -> str:
    if found in known:
        return found
    doubts.append(f"{where}: expected {', '.join(known)}, found {found}; taken as {safe}")
    return safe


def _trigger(where: str, trigger: Trigger, doubts: list[str]) -> dict[str, Any]:
    """In the guard's units."""
    said = trigger.model_dump(by_alias=True, exclude_none=True)
    available = said.pop("memoryAvailable", None)
    if available is None:
        return said
    if available.endswith("%"):
        return {"memoryAvailablePercent": int(available.removesuffix("%")), **said}
    try:
        return {"memoryAvailableBytes": quantity_bytes(available, f"{where}.trigger.memoryAvailable"), **said}
    except PodError as error:
        doubts.append(f"{error}; taken as absent")
        return said


def _pod(target: Target) -> dict[str, Any]:
    pod = target.pod
    entries = [
        {"name": c.name, "id": c.id, "priority": target.containers.get(c.name), "requestBytes": c.request_bytes}
        for c in pod.containers
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
        "graceMilliseconds": target.grace_milliseconds,
        "restartPolicy": pod.restart_policy,
        "then": target.then,
        "guaranteed": pod.qos_class == "Guaranteed",
        "terminating": pod.terminating,
        "containers": [entry for entry in entries if entry["id"]],
        "waitingContainers": [
            {key: value for key, value in entry.items() if key != "id"} for entry in entries if not entry["id"]
        ],
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
