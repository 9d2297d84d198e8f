"""What a decision needs to know of a pod, taken from the object that the API server or a YAML file holds.

Everything else of the object is let go at once: the agent keeps every pod of its node in memory, always.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kubernetes.utils.quantity import parse_quantity

__all__ = ["Container", "Pod", "PodError", "parse_pod", "quantity_bytes"]

MIRROR_ANNOTATION = "kubernetes.io/config.mirror"
HASH_ANNOTATION = "kubernetes.io/config.hash"
STATUS_LISTS = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
FINISHED_PHASES = ("Succeeded", "Failed")


class PodError(ValueError):
    """A pod, or a quantity, that is not as the API describes it.

    Attributes:
        field: the field that is wrong, from the object's root, for example `spec.containers[0].name`.
    """

    def __init__(self, field: str, expected: str, found: object) -> None:
        super().__init__(f"{field}: expected {expected}, found {found!r}")
        self.field = field


@dataclass(frozen=True, slots=True)
class Container:
    """A container that the runtime has created; `id` is the runtime's, without its scheme."""

    name: str
    id: str
    request_bytes: int


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod.

    Attributes:
        uid: the name of the pod's cgroup: its uid, or for a static pod the hash of its manifest.
        labels: the pod's own, which its tenant chooses.
        priority: spec.priority, 0 when there is none.
        priority_class: the name of its PriorityClass, empty when there is none.
        static: run by kubelet from a file; what the API server has is its mirror.
        finished: has ended for good, so that nothing of it is left on the node.
        terminating: has been deleted, or evicted through the API, and may still run for its grace period.
        guaranteed: is in the QoS class Guaranteed.
        request_bytes: memory that the scheduler set aside for the whole pod.
        containers: those that have an id.
    """

    uid: str
    namespace: str
    name: str
    labels: Mapping[str, str]
    priority: int
    priority_class: str
    static: bool
    finished: bool
    terminating: bool
    guaranteed: bool
    request_bytes: int
    containers: tuple[Container, ...]


def parse_pod(body: Mapping[str, Any]) -> Pod:
    """The pod in `body`; raises PodError naming the first field that is wrong."""
    metadata, spec, status = (_mapping(body, part) for part in ("metadata", "spec", "status"))
    annotations = _mapping(metadata, "annotations", "metadata.")
    static = MIRROR_ANNOTATION in annotations
    return Pod(
        uid=_cgroup_name(metadata, annotations, static=static),
        namespace=_text(metadata, "namespace", "metadata.", default="default"),
        name=_text(metadata, "name", "metadata."),
        labels=_mapping(metadata, "labels", "metadata."),
        priority=_integer(spec, "priority", "spec."),
        priority_class=_text(spec, "priorityClassName", "spec.", default=""),
        static=static,
        finished=status.get("phase") in FINISHED_PHASES,
        terminating=bool(metadata.get("deletionTimestamp")),
        guaranteed=status.get("qosClass") == "Guaranteed",
        request_bytes=pod_request_bytes(spec),
        containers=_containers(spec, status),
    )


def _cgroup_name(metadata: Mapping[str, Any], annotations: Mapping[str, Any], *, static: bool) -> str:
    # Only a mirror pod may name another cgroup. Kubelet runs no pod from the API server that carries the mirror
    # annotation, but it does run one on which a tenant wrote `config.source: file` or a `config.hash`.
    if static:
        return _text(annotations, HASH_ANNOTATION, "metadata.annotations.", default=annotations[MIRROR_ANNOTATION])
    return _text(metadata, "uid", "metadata.", default="")


def pod_request_bytes(spec: Mapping[str, Any]) -> int:
    """Memory that is set aside for a pod, as the scheduler counts it.

    Containers and restartable init containers run together; each other init container runs alone beside the
    restartable ones that precede it. A request of the pod itself replaces all that; overhead comes on top.
    """
    own = _request(spec, "spec.")
    if own is None:
        own = max(_together(spec), _before(spec))
    return own + _quantity(_mapping(spec, "overhead", "spec."), "memory", "spec.overhead.")


def _together(spec: Mapping[str, Any]) -> int:
    sidecars = sum(request for request, restartable in _init_requests(spec) if restartable)
    return sidecars + sum(_request(c, where) or 0 for where, c in _listed(spec, "containers"))


def _before(spec: Mapping[str, Any]) -> int:
    sidecars = highest = 0
    for request, restartable in _init_requests(spec):
        sidecars += request if restartable else 0
        highest = max(highest, sidecars + (0 if restartable else request))
    return highest


def _init_requests(spec: Mapping[str, Any]) -> list[tuple[int, bool]]:
    return [
        (_request(c, where) or 0, c.get("restartPolicy") == "Always") for where, c in _listed(spec, "initContainers")
    ]


def _containers(spec: Mapping[str, Any], status: Mapping[str, Any]) -> tuple[Container, ...]:
    requests = {
        _text(c, "name", where): _request(c, where) or 0
        for kind in ("containers", "initContainers", "ephemeralContainers")
        for where, c in _listed(spec, kind)
    }
    named = [(_text(s, "name", where), s) for kind in STATUS_LISTS for where, s in _listed(status, kind, "status.")]
    return tuple(
        Container(name, str(s["containerID"]).rpartition("://")[2], requests.get(name, 0))
        for name, s in named
        if s.get("containerID")
    )


def _request(owner: Mapping[str, Any], where: str) -> int | None:
    requests = _mapping(_mapping(owner, "resources", where), "requests", f"{where}resources.")
    return _quantity(requests, "memory", f"{where}resources.requests.") if "memory" in requests else None


def _quantity(owner: Mapping[str, Any], field: str, where: str) -> int:
    return quantity_bytes(owner.get(field, 0), f"{where}{field}")


def quantity_bytes(quantity: object, field: str) -> int:
    """A memory quantity such as `200Mi` in whole bytes, rounded up as Kubernetes does; raises PodError for `field`."""
    try:
        whole: int = math.ceil(parse_quantity(quantity))  # type: ignore[no-untyped-call] # no helper is annotated
    except (ValueError, ArithmeticError) as error:
        raise PodError(field, "a quantity such as 200Mi", quantity) from error
    return whole


def _listed(owner: Mapping[str, Any], field: str, where: str = "spec.") -> list[tuple[str, Mapping[str, Any]]]:
    """The mappings in a list, each with its place as a prefix; null and absent are empty."""
    items = owner.get(field) or []
    if not isinstance(items, Sequence) or isinstance(items, str):
        raise PodError(f"{where}{field}", "a list", items)
    return [(f"{where}{field}[{i}].", _as_mapping(item, f"{where}{field}[{i}]")) for i, item in enumerate(items)]


def _mapping(owner: Mapping[str, Any], field: str, where: str = "") -> Mapping[str, Any]:
    return _as_mapping(owner.get(field) or {}, f"{where}{field}")


def _as_mapping(value: object, field: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise PodError(field, "a mapping", value)
    return value


def _text(owner: Mapping[str, Any], field: str, where: str, default: str | None = None) -> str:
    value = owner.get(field, default)
    if not isinstance(value, str):
        raise PodError(f"{where}{field}", "a string", value)
    return value


def _integer(owner: Mapping[str, Any], field: str, where: str) -> int:
    value = owner.get(field) or 0
    if not isinstance(value, int) or isinstance(value, bool):
        raise PodError(f"{where}{field}", "an integer", value)
    return value
