"""Tells containers from the sandboxes and helpers beside them, by what the runtime wrote about each, not by guessing.

A pod's sandbox (pause) must outlive its containers: peers that killed it behind the runtime's back turned one shortage
into hundreds of orphaned shims. Containerd and CRI-O write the role into the annotations of the OCI bundle.
"""

import json
from collections.abc import Iterable

from oompolicy_agent.guard.files import read_hostile

__all__ = ["CONTAINER", "SANDBOX", "Roles"]

CONTAINER = "container"
SANDBOX = "sandbox"

BUNDLES = (
    "run/containerd/io.containerd.runtime.v2.task/k8s.io/{id}/config.json",
    "run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io/{id}/config.json",
    "run/containers/storage/overlay-containers/{id}/userdata/config.json",
)
"""Where runtimes keep their OCI bundles, from the host's root: containerd, containerd in k3s, CRI-O."""
ANNOTATIONS = ("io.kubernetes.cri.container-type", "io.kubernetes.cri-o.ContainerType")
LIMIT = 1 << 20


class Roles:
    """Looks each container up once; what cannot be told now is asked again later."""

    def __init__(self, host_root: str) -> None:
        self._host_root = host_root
        self._known: dict[str, str] = {}

    def of(self, container_id: str) -> str | None:
        """`container`, `sandbox`, or None: nobody has written down what it is."""
        if container_id not in self._known and (role := self._look_up(container_id)):
            self._known[container_id] = role
        return self._known.get(container_id)

    def forget_all_but(self, container_ids: Iterable[str]) -> None:
        """Drops what is no longer on the node."""
        keep = set(container_ids)
        self._known = {container: role for container, role in self._known.items() if container in keep}

    def _look_up(self, container_id: str) -> str | None:
        for bundle in BUNDLES:
            try:
                document = read_hostile(f"{self._host_root}/{bundle.format(id=container_id)}", LIMIT)
                if role := _role(json.loads(document)):
                    return role
            except (OSError, ValueError, RecursionError):
                continue
        return None


def _role(bundle: object) -> str | None:
    annotations = bundle.get("annotations") if isinstance(bundle, dict) else None
    if not isinstance(annotations, dict):
        return None
    return next((role for name in ANNOTATIONS if (role := annotations.get(name)) in (CONTAINER, SANDBOX)), None)
