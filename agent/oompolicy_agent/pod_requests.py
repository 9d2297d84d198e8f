"""How much memory is set aside for a pod and its containers: what kubelet has granted, else what the spec asks for.

A resize in place (KEP-1287) changes the spec at once, but kubelet may grant it later or refuse it. Until then a tenant
who asks for more must not be protected for more.
"""

from oompolicy_agent.pod_fields import Object, listed, mapping, quantity_bytes

__all__ = ["container_requests", "pod_request"]

STATUSES = {
    "containers": "containerStatuses",
    "initContainers": "initContainerStatuses",
    "ephemeralContainers": "ephemeralContainerStatuses",
}
"""The status of the containers in each list of the spec."""


def container_requests(spec: Object, status: Object, kind: str) -> list[int]:
    """Of each container in the list `kind` of the spec, in bytes; 0 for none. Raises PodError."""
    granted = {one.get("name"): (where, one) for where, one in listed(status, STATUSES[kind], "status.")}
    return [_of_container(where, one, granted.get(one.get("name"))) for where, one in listed(spec, kind)]


def pod_request(spec: Object, status: Object) -> int:
    """Memory that is set aside for a pod, as the scheduler counts it, in bytes. Raises PodError.

    Containers and restartable init containers run together; each other init container runs alone beside the
    restartable ones that precede it. A request of the pod itself replaces all that; overhead comes on top.
    """
    own = _request(status, "status.")
    if own is None:
        own = _request(spec, "spec.")
    if own is None:
        own = _together(spec, status)
    overhead = mapping(spec, "overhead", "spec.")
    return own + quantity_bytes(overhead.get("memory", 0), "spec.overhead.memory")


def _together(spec: Object, status: Object) -> int:
    sidecars = highest = 0
    inits = [one for _, one in listed(spec, "initContainers")]
    for one, request in zip(inits, container_requests(spec, status, "initContainers"), strict=True):
        restarts = one.get("restartPolicy") == "Always"
        sidecars += request if restarts else 0
        highest = max(highest, sidecars + (0 if restarts else request))
    return max(highest, sidecars + sum(container_requests(spec, status, "containers")))


def _of_container(where: str, container: Object, status: tuple[str, Object] | None) -> int:
    granted = _request(status[1], status[0]) if status else None
    return (_request(container, where) or 0) if granted is None else granted


def _request(owner: Object, where: str) -> int | None:
    requests = mapping(mapping(owner, "resources", where), "requests", f"{where}resources.")
    if "memory" not in requests:
        return None
    return quantity_bytes(requests["memory"], f"{where}resources.requests.memory")
