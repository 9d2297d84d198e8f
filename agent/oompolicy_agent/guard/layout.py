"""Tells from a memcg's path what it is to kubelet: a pod, a container, or something of the host. Pure.

Kubelet has two cgroup drivers, and puts Guaranteed pods directly under the top, the others under their QoS class:

    cgroupfs /kubepods/burstable/pod<uid>/<id>
    systemd  /kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<uid with _>.slice/cri-containerd-<id>.scope

A kubelet with a cgroup root of its own (kind) has the same below `/kubelet` or `/kubelet.slice/kubelet-`.
"""

import enum
import re
from dataclasses import dataclass

__all__ = ["LEAVES", "Kind", "Place", "classify", "is_way_to_pods"]

_TOP = re.compile(r"(kubelet-)?kubepods(\.slice)?")
_QOS = re.compile(r"(burstable|besteffort)|(kubelet-)?kubepods-(burstable|besteffort)\.slice")
_POD = re.compile(r"pod(?P<plain>[^/]+)|(kubelet-)?kubepods(-burstable|-besteffort)?-pod(?P<escaped>[^/]+)\.slice")
_HELPER = re.compile(r"crio-conmon-.+")
_CONTAINER = re.compile(r"(?:(?:cri-containerd|crio|docker|containerd)-)?(?P<id>.+?)(?:\.scope)?")
_STATIC = re.compile(r"[0-9a-f]{32}")
_ABOVE = ("kubelet", "kubelet.slice")


class Kind(enum.Enum):
    """What a memcg is to kubelet."""

    HOST = "Host"
    """Outside kubepods, or in it and nothing that kubelet makes; compared as one, with all that is below it."""
    BRANCH = "Branch"
    """Outside kubepods, and listed with what is below it: there is a target in it, on it, or above it."""
    TOP = "Top"
    """What holds all pods."""
    QOS = "QoS"
    POD = "Pod"
    CONTAINER = "Container"
    """May still be a sandbox: the path does not tell."""
    HELPER = "Helper"
    """A process of the runtime's beside its container (CRI-O's conmon)."""


LEAVES = frozenset({Kind.CONTAINER, Kind.HELPER, Kind.HOST})
"""What holds processes; nothing below these is listed."""


@dataclass(frozen=True, slots=True)
class Place:
    """One memcg and what it is."""

    path: str
    id: int
    kind: Kind
    pod_uid: str = ""
    """Of a pod and all that is in it."""
    container_id: str = ""
    """The runtime's, without its scheme."""
    target: str = ""
    """Outside kubepods: the path of the nearest target, at this memcg or above it."""
    is_group: bool = False
    """Whether it dies as one for the kernel too (memory.oom.group). Not asked of what dies as one anyway."""
    is_vital: bool = False
    """Whether the node needs what runs in it, outside kubepods: the guard, kubelet, the runtime, PID 1."""

    @property
    def parent(self) -> str:
        """The path of the memcg above it; empty for the root."""
        return self.path.rpartition("/")[0]

    @property
    def owner(self) -> str:
        """Whose it is: the pod's uid, or outside kubepods the path."""
        return self.pod_uid or self.path

    @property
    def is_static(self) -> bool:
        """Whether it belongs to a static pod, whose uid is a hash of its manifest: no dashes."""
        return _STATIC.fullmatch(self.pod_uid) is not None


def is_way_to_pods(name: str) -> bool:
    """Whether what holds all pods may be below a top-level memcg of this name."""
    return name in _ABOVE


def classify(path: str, cgroup_id: int, parent: Place | None) -> Place:
    """What the memcg at `path` is, given what its parent is (None: the root, or on the way to the pods)."""
    name = path.rpartition("/")[2]
    kind = Kind.HOST
    if parent is None and _TOP.fullmatch(name):
        kind = Kind.TOP
    elif parent and parent.kind is Kind.TOP and _QOS.fullmatch(name):
        kind = Kind.QOS
    elif parent and parent.kind in {Kind.TOP, Kind.QOS} and (pod := _POD.fullmatch(name)):
        return Place(path, cgroup_id, Kind.POD, pod["plain"] or pod["escaped"].replace("_", "-"))
    elif parent and parent.kind is Kind.POD:
        kind = Kind.HELPER if _HELPER.fullmatch(name) else Kind.CONTAINER
        return Place(path, cgroup_id, kind, parent.pod_uid, _container_id(name))
    return Place(path, cgroup_id, kind)


def _container_id(name: str) -> str:
    found = _CONTAINER.fullmatch(name)
    return found["id"] if found else name
