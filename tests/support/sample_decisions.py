"""OOMDecisions as nodes would publish them, made by the very code that chooses and explains, for what shows them."""

from dataclasses import dataclass
from typing import Any

from kubelet_tree import Container, Pod
from oompolicy_agent.explain import why
from oompolicy_agent.model import Candidate, Memcg, Snapshot, TieBreak
from oompolicy_agent.select import select
from oompolicy_agent.snapshot_json import layer_document
from oompolicy_api.decision import OOMDecision

__all__ = ["AUDIT", "KERNEL", "LONG", "MANY", "NOBODY", "OWN_LIMIT", "SHOP", "decision"]

MEBIBYTE = 1 << 20
MOST_SPARED = MOST_RANKED = 16
SAMPLES = tuple(
    {"offsetMilliseconds": offset, "marginBytes": margin * MEBIBYTE, "stallPercent": stall}
    for offset, margin, stall in [
        *[(-5000 + 500 * step, 900 - 72 * step, 0) for step in range(8)],
        *[(-1000, 310, 2), (-750, 262, 7), (-500, 214, 18), (-250, 166, 41), (-100, 141, 55), (0, 129, 62)],
        *[(100, 118, 71), (200, 96, 74), (300, 240, 48), (500, 371, 12), (1000, 362, 1), (2000, 344, None)],
    ]
)
"""A hog at some 150 MiB/s, stopped when little is left; the last stall is not known."""


@dataclass(frozen=True, slots=True)
class Running:
    """A pod with one container, and what it holds."""

    name: str
    priority: int
    mebibytes: int
    qos: str = "burstable"
    rule: str | None = "batch"
    namespace: str = "shop"
    container: str = "main"

    @property
    def pod(self) -> Pod:
        """Where kubelet puts it."""
        return Pod(self.name, qos=self.qos, containers=(Container(self.container),))

    def memcgs(self, number: int) -> list[Memcg]:
        """The pod's, and its container's."""
        pod = Memcg(self.pod.path, number, self.priority)
        return [pod, Memcg(self.pod.container_path, number + 1, None, self.mebibytes * MEBIBYTE, unit=True)]

    @property
    def document(self) -> dict[str, Any]:
        """As a decision has it."""
        names = {"namespace": self.namespace, "pod": self.name, "podUID": self.pod.uid, "container": self.container}
        standing = {"priority": self.priority, "rule": self.rule, "source": "Rule" if self.rule else "Default"}
        return {"path": self.pod.container_path, **names, **standing, "usageBytes": self.mebibytes * MEBIBYTE}


def decision(*pods: Running, domain: str = "/", samples: bool = False, **changes: Any) -> OOMDecision:  # noqa: ANN401
    """What is decided among these; `changes` are of the spec."""
    memcgs = [memcg for number, pod in enumerate(pods) for memcg in pod.memcgs(10 + 2 * number)]
    order = select(Snapshot(domain, tuple(memcgs))).order
    by_path = {pod.pod.container_path: pod.document for pod in pods}
    ranking = [by_path[one.path] for one in order[:MOST_RANKED]]
    spec = _OUTLINE | {"domain": domain, "ranking": ranking} | (_chosen(order[0], ranking[0]) if order else {})
    spec |= {"samples": SAMPLES} if samples else {}
    return OOMDecision.model_validate({"metadata": {"name": f"node-1.{spec['id'].lower()}"}, "spec": spec | changes})


def _chosen(first: Candidate, victim: dict[str, Any]) -> dict[str, Any]:
    layers = [layer_document(one) for one in first.layers]
    cut = [
        one | {"spared": list(whole.spared[:MOST_SPARED]), "sparedCount": len(whole.spared)}
        for one, whole in zip(layers, first.layers, strict=True)
    ]
    return {"victim": victim, "layers": cut, "why": why(first, TieBreak.LARGEST_USAGE)}


_OUTLINE: dict[str, Any] = {
    "id": "20261128T100000.123Z-7f3a",
    "node": "node-1",
    "time": "2026-11-28T10:00:00.123Z",
    "mode": "Enforce",
    "backend": "KernelAssist",
    "outcome": "Killed",
    "policy": {"name": "mixed", "uid": "1b671a64", "generation": 3},
    "trigger": {
        "reason": "KubeletWouldEvict",
        "attribution": "Node",
        "marginBytes": 129 * MEBIBYTE,
        "thresholdBytes": 200 * MEBIBYTE,
        "growthBytesPerSecond": 152 * MEBIBYTE,
        "stallMilliseconds": 62,
    },
    "tasksSignalled": 3,
    "freedBytes": 255 * MEBIBYTE,
    "shortageToSignalMilliseconds": 59,
    "signalToEmptyMilliseconds": 308,
    "signalToFreedMilliseconds": 312,
}
_PODS = (
    Running("batch-7f9c", 10, 250, "", "batch", container="job"),
    Running("hog", 100, 1100, "besteffort", "growing", container="grow"),
    Running("web-5d8f", 500, 180, rule=None),
    Running("cache-0", 700, 420, rule="tenants"),
    Running("shop-db-0", 900, 300, rule="databases", container="postgres"),
)

_DURATIONS = [f"{name}Milliseconds" for name in ("shortageToSignal", "signalToEmpty", "signalToFreed")]
_UNTOUCHED: dict[str, Any] = dict.fromkeys(["tasksSignalled", "freedBytes", *_DURATIONS])
"""What is not known where nobody was sent a signal."""

SHOP = decision(*_PODS, samples=True)
MANY = decision(
    *[Running(f"worker-{n:02}", n % 4 * 100, 40 + 23 * n % 190, "" if n % 5 else "besteffort") for n in range(40)],
    trigger=_OUTLINE["trigger"] | {"reason": "GrowthExhausts", "marginBytes": 180 * MEBIBYTE},
    samples=True,
    evict=True,
    kernelKills=1,
    signalToEmptyMilliseconds=2149,
    signalToFreedMilliseconds=2190,
)
LONG = decision(
    Running(
        "zeitreihen-überträger-mit-sehr-langem-namen-日本語-🦀-7c9d6b5f4-x2x9q",
        priority=-100,
        mebibytes=12,
        qos="besteffort",
        rule="r" * 63,
        namespace="mandant-" + "n" * 55,
        container="c" * 63,
    ),
    Running("x" * 253, 2147483647, 9000, "burstable", None, "y" * 63, "z" * 63),
    node="ip-10-11-12-13.eu-central-1.compute.internal-" + "a" * 60,
    outcome="Futile",
    freedBytes=1 * MEBIBYTE,
    samples=True,
)
AUDIT = decision(*_PODS[1:3], mode="Audit", outcome="WouldKill", **_UNTOUCHED)
NOBODY = decision(outcome="NothingEligible", samples=True, **_UNTOUCHED)
KERNEL = decision(
    *_PODS,
    outcome="KernelKilled",
    agreed=False,
    trigger=None,
    why=None,
    victim=_PODS[4].document,
    layers=[],
    **_UNTOUCHED,
)
OWN_LIMIT = decision(
    _PODS[0],
    domain="/kubepods",
    ranking=[_PODS[0].document | {"usageBytes": None, "priority": None}, {"path": "/kubepods/burstable/pod0/c0"}],
)
"""One pod, protected, of which nobody knows what it uses; the second in the order is nobody's that is known."""
