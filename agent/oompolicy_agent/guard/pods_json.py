"""Reads the `pods` of targets.json, and what entries of it have in common with others. Pure."""

from collections.abc import Iterator

from oompolicy_agent.guard.fields import (
    BYTES,
    INT32,
    FieldError,
    Object,
    boolean,
    cgroup_name,
    integer_or_none,
    items,
    string,
    string_or_none,
)
from oompolicy_agent.guard.findings import Findings
from oompolicy_agent.guard.targets import ContainerTarget, PodTarget

__all__ = ["read_pods", "read_request", "read_standing"]

MOST_PODS = 4096
MOST_CONTAINERS = 256
"""Of one pod."""
PROTECTIONS = ("Always", "Request")
UNITS = ("Container", "Pod", "Process")
GRACE = range(120_001)
"""Milliseconds."""
_CONTAINER = frozenset({"name", "id", "priority", "requestBytes"})
_WAITING = _CONTAINER - {"id"}
_POD = frozenset({"uid", "namespace", "name", "containers", "requestBytes", "guaranteed", "restartPolicy"}) | frozenset(
    {"waitingContainers", "priority", "protect", "rule", "source", "unit", "graceMilliseconds", "terminating", "then"}
)


def read_pods(found: object, findings: Findings) -> dict[str, PodTarget]:
    """The targets by uid; raises FieldError for what is not as it must be, and takes down what is not known."""
    pods: dict[str, PodTarget] = {}
    for field, fields in items("pods", found, MOST_PODS):
        pod = _pod(field, fields, findings)
        if pod.uid in pods:
            raise FieldError(f"{field}.uid", "each pod once", pod.uid)
        pods[pod.uid] = pod
    return pods


def read_standing(
    field: str, name: str, fields: Object, known: tuple[str, ...], findings: Findings
) -> tuple[int | None, str | None]:
    """Priority or protection, whichever is there; a kind of protection that is not `known` protects always."""
    protect = string_or_none(f"{field}.protect", fields.get("protect"))
    priority = integer_or_none(f"{field}.priority", fields.get("priority"), INT32)
    if (priority is None) == (protect is None):
        found = "neither of them" if protect is None else "both of them"
        raise FieldError(field, "exactly one of priority and protect", found)
    if protect is not None and protect not in known:
        findings.report(f"{field}.protect ({name}): {protect} is not known to this version, which protects it always")
        protect = "Always"
    return priority, protect


def read_request(field: str, fields: Object) -> int:
    """The memory request in bytes, 0 where there is none."""
    return integer_or_none(f"{field}.requestBytes", fields.get("requestBytes"), BYTES) or 0


def _pod(field: str, fields: Object, findings: Findings) -> PodTarget:
    findings.check_names("pods[].", fields, _POD)
    name = string(f"{field}.name", fields.get("name"))
    priority, protect = read_standing(field, name, fields, PROTECTIONS, findings)
    unit = string_or_none(f"{field}.unit", fields.get("unit")) or "Container"
    if unit not in UNITS:
        findings.report(f"{field}.unit ({name}): {unit} is not known to this version, which protects the pod")
        priority, protect, unit = None, "Always", "Container"
    return PodTarget(
        uid=cgroup_name(f"{field}.uid", fields.get("uid")),
        namespace=string(f"{field}.namespace", fields.get("namespace")),
        name=name,
        priority=priority,
        protect=protect,
        unit=unit,
        rule=string_or_none(f"{field}.rule", fields.get("rule")),
        source=string_or_none(f"{field}.source", fields.get("source")) or "",
        request_bytes=read_request(field, fields),
        containers={container.id: container for container in _containers(field, fields.get("containers"), findings)},
        waiting=tuple(_waiting(field, fields.get("waitingContainers"), findings)),
        grace_milliseconds=integer_or_none(f"{field}.graceMilliseconds", fields.get("graceMilliseconds"), GRACE) or 0,
        restarts_always=string_or_none(f"{field}.restartPolicy", fields.get("restartPolicy")) == "Always",
        is_evicted=string_or_none(f"{field}.then", fields.get("then")) == "Evict",
        is_terminating=boolean(f"{field}.terminating", fields.get("terminating")),
    )


def _containers(pod: str, found: object, findings: Findings) -> Iterator[ContainerTarget]:
    for field, fields in items(f"{pod}.containers", found, MOST_CONTAINERS):
        findings.check_names("pods[].containers[].", fields, _CONTAINER)
        yield _container(field, fields, cgroup_name(f"{field}.id", fields.get("id")))


def _waiting(pod: str, found: object, findings: Findings) -> Iterator[ContainerTarget]:
    for field, fields in items(f"{pod}.waitingContainers", found, MOST_CONTAINERS):
        findings.check_names("pods[].waitingContainers[].", fields, _WAITING)
        yield _container(field, fields, "")


def _container(field: str, fields: Object, container_id: str) -> ContainerTarget:
    return ContainerTarget(
        name=string(f"{field}.name", fields.get("name")),
        id=container_id,
        priority=integer_or_none(f"{field}.priority", fields.get("priority"), INT32),
        request_bytes=read_request(field, fields),
    )
