"""Kubelet's cgroup tree on paper: which memcgs a pod has, what the runtime wrote about them, what the node is told.

Pure, and on the standard library alone: programs inside a test machine use it too.
"""

import json
from dataclasses import dataclass
from typing import Any

__all__ = ["BRANCHES", "CGROUPS", "Container", "Pod", "targets_document"]

CGROUPS = "/sys/fs/cgroup"
BRANCHES = ("/kubepods", "/kubepods/burstable", "/kubepods/besteffort")
_BUNDLES = "/run/containerd/io.containerd.runtime.v2.task/k8s.io"


@dataclass(frozen=True, slots=True)
class Container:
    """One container of a pod; its priority orders it inside the pod only."""

    name: str = "main"
    priority: int | None = None


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod, and the target that the node is told for it."""

    name: str
    """At most 16 ASCII characters tell it from others: they become its uid."""
    priority: int | None = None
    qos: str = ""
    """Empty for Guaranteed, else `burstable` or `besteffort`."""
    oom_score_adj: int = 0
    request_mebibytes: int = 0
    protect: str | None = None
    unit: str = "Container"
    is_known: bool = True
    containers: tuple[Container, ...] = (Container(),)

    @property
    def uid(self) -> str:
        """Looks like a pod's uid and still tells which pod it is."""
        digits = f"{self.name.encode().hex():0<32.32}"
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    @property
    def path(self) -> str:
        """The pod's memcg."""
        return "/".join(part for part in ("/kubepods", self.qos, f"pod{self.uid}") if part)

    @property
    def container_id(self) -> str:
        """The first container's."""
        return self.id_of(self.containers[0])

    @property
    def sandbox_id(self) -> str:
        """Of the pause container beside them."""
        return f"{self.name.encode().hex():5<64}"

    @property
    def container_path(self) -> str:
        """The first container's memcg."""
        return self.path_of(self.containers[0])

    @property
    def sandbox_path(self) -> str:
        """The sandbox's memcg."""
        return f"{self.path}/{self.sandbox_id}"

    @property
    def paths(self) -> list[str]:
        """Its memcg and all those in it, from the top down."""
        return [self.path, *map(self.path_of, self.containers), self.sandbox_path]

    @property
    def bundles(self) -> dict[str, str]:
        """The file in which the runtime says what each container is, with its content, by path."""
        roles = {self.id_of(container): "container" for container in self.containers} | {self.sandbox_id: "sandbox"}
        return {f"{_BUNDLES}/{container_id}/config.json": _bundle(role) for container_id, role in roles.items()}

    @property
    def target(self) -> dict[str, Any]:
        """The pod's entry in targets.json."""
        request = self.request_mebibytes << 20
        return {
            "uid": self.uid,
            "namespace": "shop",
            "name": self.name,
            "priority": self.priority,
            "protect": self.protect,
            "unit": self.unit,
            "rule": self.name,
            "source": "Rule",
            "requestBytes": request,
            "guaranteed": not self.qos,
            "containers": [
                {"name": one.name, "id": self.id_of(one), "priority": one.priority, "requestBytes": request}
                for one in self.containers
            ],
        }

    def id_of(self, container: Container) -> str:
        """Looks like a container's id."""
        named = self.name if container.name == "main" else f"{self.name}.{container.name}"
        return f"{named.encode().hex():c<64}"

    def path_of(self, container: Container) -> str:
        """A container's memcg."""
        return f"{self.path}/{self.id_of(container)}"


def targets_document(pods: list[Pod], hard_eviction: int | None = None, **policy: object) -> str:
    """The content of targets.json for those of the pods that are known; `policy` changes single fields of it."""
    fixed = {"name": "mixed", "uid": "6f1c", "generation": 1, "mode": "Enforce", "defaultPriority": 500}
    document = {
        "formatVersion": 1,
        "node": "lab",
        "policy": fixed | {"tieBreak": "LargestUsage"} | policy,
        "kubeletHardEvictionBytes": hard_eviction,
        "pods": [pod.target for pod in pods if pod.is_known],
    }
    return json.dumps(document)


def _bundle(role: str) -> str:
    return json.dumps({"ociVersion": "1.2.0", "annotations": {"io.kubernetes.cri.container-type": role}})
