"""Finds the targets of containers that the API server does not know by id yet, by the name in their OCI bundle. Pure.

Kubelet reports the id of a new or restarted container a second or more after it has begun to run; until then only the
bundle says which container of its pod it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from oompolicy_agent.guard.layout import Kind, Place
from oompolicy_agent.guard.targets import ContainerTarget, PodTarget, Targets

__all__ = ["identified"]


def identified(targets: Targets, tree: Sequence[Place], names: Mapping[str, str]) -> Targets:
    """The targets, with such containers added to their pods; the same object if there are none.

    `names` says what the runtime calls each container, by id.
    """
    found: dict[str, dict[str, ContainerTarget]] = {}
    for place in tree:
        if place.kind is Kind.CONTAINER and (pod := targets.pods.get(place.pod_uid)):
            known = _known(pod, place.container_id, names.get(place.container_id))
            if known:
                found.setdefault(pod.uid, dict(pod.containers))[place.container_id] = known
    audit = targets.audit and identified(targets.audit, tree, names)
    if not found and audit is targets.audit:
        return targets
    pods = {uid: replace(pod, containers=found.get(uid, pod.containers)) for uid, pod in targets.pods.items()}
    return replace(targets, pods=pods, audit=audit)


def _known(pod: PodTarget, container_id: str, name: str | None) -> ContainerTarget | None:
    """What its name says of a container of whose id the pod's target says nothing."""
    if name is None or container_id in pod.containers:
        return None
    same = (one for one in (*pod.waiting, *pod.containers.values()) if one.name == name)
    found = next(same, None)
    return replace(found, id=container_id) if found else None
