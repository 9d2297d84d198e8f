"""The records of the journal: what was decided, why, by which numbers, and what came of it. Pure."""

from dataclasses import dataclass, replace

from oompolicy_agent.explain import called
from oompolicy_agent.guard.clock import stamp
from oompolicy_agent.guard.layout import Place
from oompolicy_agent.guard.support import BACKEND
from oompolicy_agent.guard.targets import Policy, Targets
from oompolicy_agent.guard.trigger import Trigger
from oompolicy_agent.model import Candidate, Layer
from oompolicy_agent.snapshot_json import layer_document

__all__ = ["FORMAT_VERSION", "Decision", "Document", "Victim", "name_in", "pod_victim", "policy_document", "victim_of"]

FORMAT_VERSION = 1
MOST_SPARED = 16
"""How many of the spared a layer of the journal names."""
Document = dict[str, object]


@dataclass(frozen=True, slots=True)
class Victim:
    """Whose memcg it is. The names are None where nobody told us about the pod."""

    path: str
    id: int
    pod_uid: str
    unit: str = "Pod"
    namespace: str | None = None
    pod: str | None = None
    container: str | None = None
    priority: int | None = None
    """The pod's, by which pods are compared: a container's own orders it inside its pod only. None: protected."""
    rule: str | None = None
    source: str = "Default"
    usage_bytes: int = 0
    process: str | None = None
    """Of the unit Process: name and pid of whom was killed."""

    @property
    def name(self) -> str:
        """For people: namespace/pod/container, or the path."""
        return called(self.path, self.namespace, self.pod, self.container)

    @property
    def owner(self) -> str:
        """Whose memory it is: the pod, by uid, or a memcg of the host, by path."""
        return self.pod_uid or self.path

    @property
    def pod_path(self) -> str:
        """The memcg of its pod, or its own."""
        return self.path.rpartition("/")[0] if self.unit in {"Container", "Process"} else self.path

    def document(self) -> Document:
        """As the journal has it."""
        return {
            "path": self.path,
            "id": self.id,
            "unit": self.unit,
            "podUid": self.pod_uid,
            "namespace": self.namespace,
            "pod": self.pod,
            "container": self.container,
            "priority": self.priority,
            "rule": self.rule,
            "source": self.source,
            "usageBytes": self.usage_bytes,
            "process": self.process,
        }


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision from the first word to the last. Times: `time` of the wall clock, milliseconds for durations."""

    id: str
    time: float
    domain: str
    mode: str
    policy: Policy | None
    trigger: Trigger | None
    victim: Victim | None
    backend: str = BACKEND
    """Who has chosen; of a kill by the kernel: who would have."""
    layers: tuple[Layer, ...] = ()
    ranking: tuple[Victim, ...] = ()
    """The first few of the order, the victim among them."""
    why: str | None = None
    """Why this one, in a sentence for people; None before the end, and where there was no choice."""
    outcome: str = "Pending"
    agreed: bool | None = None
    """Of a kill by the kernel: whether the policy would have chosen there, too. None: of our own, or nobody can say."""
    evict: bool = False
    """Whether its pod should be evicted too, because it comes back only to be killed again."""
    grace_milliseconds: int = 0
    """What it was given between SIGTERM and SIGKILL."""
    tasks_signalled: int = 0
    freed_bytes: int = 0
    kernel_kills: int = 0
    """Processes that the kernel's OOM killer ended while this victim was on its way out."""
    shortage_to_signal: float | None = None
    """From the first measurement that showed the shortage, also if the guard then had to wait."""
    signal_to_empty: float | None = None
    signal_to_freed: float | None = None
    samples: tuple[Document, ...] = ()
    """What was left around the signal, or the decision if there was none: see the course."""

    def document(self) -> Document:
        """As journal and ring have it."""
        return {
            "formatVersion": FORMAT_VERSION,
            "id": self.id,
            "time": stamp(self.time),
            "domain": self.domain,
            "mode": self.mode,
            "backend": self.backend,
            "policy": policy_document(self.policy),
            "trigger": _trigger(self.trigger, self.domain),
            "victim": self.victim.document() if self.victim else None,
            "layers": [_layer(layer) for layer in self.layers],
            "ranking": [victim.document() for victim in self.ranking],
            "why": self.why,
            "outcome": self.outcome,
            "agreed": self.agreed,
            "evict": self.evict,
            "graceMilliseconds": self.grace_milliseconds,
            "tasksSignalled": self.tasks_signalled,
            "freedBytes": self.freed_bytes,
            "kernelKills": self.kernel_kills,
            "milliseconds": self.milliseconds,
            "samples": list(self.samples),
        }

    @property
    def milliseconds(self) -> Document:
        """How long each part took, as far as it is known."""
        return {
            "shortageToSignal": self.shortage_to_signal,
            "signalToEmpty": self.signal_to_empty,
            "signalToFreed": self.signal_to_freed,
        }


def victim_of(candidate: Candidate, place: Place, targets: Targets) -> Victim:
    """The candidate with all that the node was told about it."""
    pod = targets.pods.get(place.pod_uid)
    victim = replace(pod_victim(place, targets), id=candidate.memcg.id, usage_bytes=candidate.memcg.usage_bytes)
    if pod is None or pod.priority is None:
        victim = replace(victim, priority=candidate.key.priority)
    if not place.container_id:
        return victim
    told = pod.containers.get(place.container_id) if pod else None
    unit = "Process" if pod and pod.unit == "Process" else "Container"
    return replace(victim, unit=unit, container=told.name if told else None)


def pod_victim(place: Place, targets: Targets) -> Victim:
    """A memcg of a pod as the pod as a whole, as far as the node was told about it."""
    victim = Victim(place.path, place.id, place.pod_uid, unit="Pod" if place.pod_uid else "Cgroup")
    if (pod := targets.pods.get(place.pod_uid)) is None:
        return victim
    return replace(
        victim, namespace=pod.namespace, pod=pod.name, priority=pod.priority, rule=pod.rule, source=pod.source
    )


def name_in(record: Document) -> str | None:
    """The victim's name in a record of the journal, which may be anybody's."""
    victim = record.get("victim")
    if not isinstance(victim, dict):
        return None
    parts = [str(victim[key]) for key in ("namespace", "pod", "container") if victim.get(key)]
    return "/".join(parts) or str(victim.get("path"))


def policy_document(policy: Policy | None) -> Document | None:
    """Which policy, in journal and status."""
    if policy is None:
        return None
    return {"name": policy.name, "uid": policy.uid, "generation": policy.generation}


def _layer(layer: Layer) -> Document:
    """A layer with the first of the spared and their number: on a large node there are hundreds."""
    document = layer_document(layer)
    return document | {"spared": list(layer.spared[:MOST_SPARED]), "sparedCount": len(layer.spared)}


def _trigger(trigger: Trigger | None, domain: str) -> Document | None:
    if trigger is None:
        return None
    return {
        "reason": trigger.reason,
        "attribution": "Node" if domain == "/" else "Pods",
        "marginBytes": trigger.margin,
        "thresholdBytes": trigger.threshold,
        "growthBytesPerSecond": trigger.growth,
        "stallMilliseconds": trigger.stall_milliseconds,
        "swapFreeBytes": trigger.swap,
    }
