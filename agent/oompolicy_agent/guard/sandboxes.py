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
NAMES = ("io.kubernetes.cri.container-name", "io.kubernetes.container.name")
"""The container's name in its pod, by containerd and by CRI-O."""
LIMIT = 1 << 20
LONGEST_SECONDS = 60.0
"""Between two looks; until then each waits as long as all before it together."""


class Roles:
    """Looks each container up once.

    The bundle comes a moment after the memcg, so what cannot be told is asked again: ever more rarely, for a look takes
    a try at every runtime's place, and there may be hundreds.
    """

    def __init__(self, host_root: str) -> None:
        self._host_root = host_root
        self._known: dict[str, tuple[str, str | None]] = {}
        """Role and name, by container."""
        self._asked: dict[str, tuple[float, float]] = {}
        """By container whose role is unknown: when it was asked for first, and last."""

    def of(self, container_id: str) -> str | None:
        """`container`, `sandbox`, or None: nobody has written down what it is, as of the last `learn`."""
        return self._known.get(container_id, (None, None))[0]

    @property
    def names(self) -> dict[str, str]:
        """What containers are called in their pods, by id, as far as somebody has written it down."""
        return {id_: name for id_, (role, name) in self._known.items() if name and role == CONTAINER}

    @property
    def are_all_known(self) -> bool:
        """Whether there is nothing to ask about."""
        return not self._asked

    def learn(self, container_ids: Iterable[str], now: float) -> bool:
        """Looks up those of the containers on the node that are unknown, and drops what is no longer there.

        Returns whether it knows more than before, or less.
        """
        before, asked = self._known, self._asked
        self._known, self._asked = {}, {}
        for container in container_ids:
            found = before.get(container)
            if found is None:
                first, last = asked.get(container, (now, now))
                if now - last >= min(last - first, LONGEST_SECONDS):
                    found, last = self._look_up(container), now
                if found is None:
                    self._asked[container] = first, last
                    continue
            self._known[container] = found
        return before != self._known

    def _look_up(self, container_id: str) -> tuple[str, str | None] | None:
        for bundle in BUNDLES:
            try:
                document = read_hostile(f"{self._host_root}/{bundle.format(id=container_id)}", LIMIT)
                if found := _read(json.loads(document)):
                    return found
            except (OSError, ValueError, RecursionError):
                continue
        return None


def _read(bundle: object) -> tuple[str, str | None] | None:
    """Role and name; None where there is no role."""
    annotations = bundle.get("annotations") if isinstance(bundle, dict) else None
    if not isinstance(annotations, dict):
        return None
    names = (name for key in NAMES if isinstance(name := annotations.get(key), str))
    name = next(names, None)
    return next(((role, name) for key in ANNOTATIONS if (role := annotations.get(key)) in (CONTAINER, SANDBOX)), None)
