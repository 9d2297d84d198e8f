"""What a decision needs to know of a pod, taken from the object that the API server or a YAML file holds.

Everything else of the object is let go at once: the agent keeps every pod of its node in memory, always.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from oompolicy_agent.pod_fields import Object, PodError, integer, listed, mapping, quantity_bytes, text
from oompolicy_agent.pod_requests import STATUSES, container_requests, pod_request

__all__ = ["Container", "Pod", "PodError", "parse_pod", "quantity_bytes"]

MIRROR_ANNOTATION = "kubernetes.io/config.mirror"
HASH_ANNOTATION = "kubernetes.io/config.hash"
PRIORITY_ANNOTATION = "oompolicy.dev/priority"
"""By which a pod says its priority itself, where its rule lets it."""
FINISHED_PHASES = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class Container:
    """A container of any kind; `id` is the runtime's, without its scheme, and empty until the runtime has made it."""

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
        qos_class: Guaranteed, Burstable or BestEffort; empty when nobody has said so.
        restart_policy: the pod's own, `Always` when it says nothing.
        wanted_priority: what the pod's own annotation says; None when it has none.
        request_bytes: memory that is set aside for the whole pod.
        containers: normal ones, init and ephemeral ones, in the order of the spec.
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
    qos_class: str
    restart_policy: str
    wanted_priority: str | None
    request_bytes: int
    containers: tuple[Container, ...]


def parse_pod(body: Object) -> Pod:
    """The pod in `body`; raises PodError naming the first field that is wrong."""
    metadata, spec, status = (mapping(body, part) for part in ("metadata", "spec", "status"))
    annotations = mapping(metadata, "annotations", "metadata.")
    static = MIRROR_ANNOTATION in annotations
    return Pod(
        uid=_cgroup_name(metadata, annotations, static=static),
        namespace=text(metadata, "namespace", "metadata.", default="default"),
        name=text(metadata, "name", "metadata."),
        labels=mapping(metadata, "labels", "metadata."),
        priority=integer(spec, "priority", "spec."),
        priority_class=text(spec, "priorityClassName", "spec.", default=""),
        static=static,
        finished=status.get("phase") in FINISHED_PHASES,
        terminating=bool(metadata.get("deletionTimestamp")),
        qos_class=text(status, "qosClass", "status.", default=""),
        restart_policy=text(spec, "restartPolicy", "spec.", default="Always"),
        wanted_priority=_annotation(annotations, PRIORITY_ANNOTATION),
        request_bytes=pod_request(spec, status),
        containers=tuple(one for kind in STATUSES for one in _containers(spec, status, kind)),
    )


def _cgroup_name(metadata: Object, annotations: Object, *, static: bool) -> str:
    # Only a mirror pod may name another cgroup. Kubelet runs no pod from the API server that carries the mirror
    # annotation, but it does run one on which a tenant wrote `config.source: file` or a `config.hash`.
    if static:
        return text(annotations, HASH_ANNOTATION, "metadata.annotations.", default=annotations[MIRROR_ANNOTATION])
    return text(metadata, "uid", "metadata.", default="")


def _annotation(annotations: Object, name: str) -> str | None:
    return text(annotations, name, "metadata.annotations.") if name in annotations else None


def _containers(spec: Object, status: Object, kind: str) -> list[Container]:
    ids = {one.get("name"): one.get("containerID") or "" for _, one in listed(status, STATUSES[kind], "status.")}
    names = [text(one, "name", where) for where, one in listed(spec, kind)]
    requests = container_requests(spec, status, kind)
    return [
        Container(name, str(ids.get(name, "")).rpartition("://")[2], request)
        for name, request in zip(names, requests, strict=True)
    ]
