"""Reads `targets.json`, checked field by field before anything of it is believed.

The file comes from a process without privileges, so it is taken for hostile. A wrong type or size refuses the whole
file, because nobody can say what it meant. A value that this version does not know yet (a new kind of protection, a
new unit) protects the pod that has it and is reported. Unknown fields are ignored: a newer sync may talk to an older
guard.
"""

import json
from collections.abc import Iterator

from oompolicy_agent.guard.fields import (
    BYTES,
    INT32,
    FieldError,
    Object,
    cgroup_name,
    integer,
    integer_or_none,
    items,
    mapping,
    string,
    string_or_none,
)
from oompolicy_agent.guard.targets import ContainerTarget, PodTarget, Policy, Targets
from oompolicy_agent.model import TieBreak

__all__ = ["parse"]

FORMAT_VERSION = 1
MODES = ("Enforce", "Audit", "Off")
PROTECTIONS = ("Always", "Request")
UNITS = ("Container", "Pod")
MOST_PODS = 4096
MOST_CONTAINERS = 256


def parse(document: bytes) -> Targets:
    """The targets in a file's content; raises FieldError for the first thing that is wrong with it."""
    root = mapping("targets", _decoded(document))
    if integer("formatVersion", root.get("formatVersion"), BYTES) != FORMAT_VERSION:
        raise FieldError("formatVersion", str(FORMAT_VERSION), root["formatVersion"])
    problems: list[str] = []
    return Targets(
        policy=None if root.get("policy") is None else _policy(mapping("policy", root["policy"]), problems),
        pods={pod.uid: pod for pod in _pods(root.get("pods"), problems)},
        kubelet_hard_eviction_bytes=integer_or_none(
            "kubeletHardEvictionBytes", root.get("kubeletHardEvictionBytes"), BYTES
        ),
        problems=tuple(problems),
    )


def _decoded(document: bytes) -> object:
    try:
        return json.loads(document)
    except RecursionError:
        raise FieldError("targets", "JSON", "something nested too deeply") from None
    except ValueError as error:
        raise FieldError("targets", "JSON", str(error)) from None


def _policy(fields: Object, problems: list[str]) -> Policy:
    mode = string("policy.mode", fields.get("mode"))
    if mode not in MODES:
        problems.append(f"policy.mode: {mode} is not known to this version, which therefore kills nothing")
        mode = "Off"
    return Policy(
        name=string("policy.name", fields.get("name")),
        uid=string("policy.uid", fields.get("uid")),
        generation=integer("policy.generation", fields.get("generation"), BYTES),
        mode=mode,
        default_priority=integer_or_none("policy.defaultPriority", fields.get("defaultPriority"), INT32) or 0,
        tie_break=_tie_break(string_or_none("policy.tieBreak", fields.get("tieBreak")), problems),
    )


def _tie_break(name: str | None, problems: list[str]) -> TieBreak:
    try:
        return TieBreak.LARGEST_USAGE if name is None else TieBreak(name)
    except ValueError:
        problems.append(f"policy.tieBreak: {name} is not known to this version, which takes LargestUsage")
        return TieBreak.LARGEST_USAGE


def _pods(found: object, problems: list[str]) -> Iterator[PodTarget]:
    seen = set()
    for field, fields in items("pods", found, MOST_PODS):
        pod = _pod(field, fields, problems)
        if pod.uid in seen:
            raise FieldError(f"{field}.uid", "each pod once", pod.uid)
        seen.add(pod.uid)
        yield pod


def _pod(field: str, fields: Object, problems: list[str]) -> PodTarget:
    name = string(f"{field}.name", fields.get("name"))
    protect = string_or_none(f"{field}.protect", fields.get("protect"))
    priority = integer_or_none(f"{field}.priority", fields.get("priority"), INT32)
    if (priority is None) == (protect is None):
        raise FieldError(field, "exactly one of priority and protect", {"priority": priority, "protect": protect})
    unit = string_or_none(f"{field}.unit", fields.get("unit")) or "Container"
    for key, value, known in (("protect", protect, PROTECTIONS), ("unit", unit, UNITS)):
        if value is not None and value not in known:
            problems.append(f"{field}.{key} ({name}): {value} is not known to this version, which protects the pod")
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
        request_bytes=integer_or_none(f"{field}.requestBytes", fields.get("requestBytes"), BYTES) or 0,
        containers={container.id: container for container in _containers(field, fields.get("containers"))},
    )


def _containers(pod: str, found: object) -> Iterator[ContainerTarget]:
    for field, fields in items(f"{pod}.containers", found, MOST_CONTAINERS):
        yield ContainerTarget(
            name=string(f"{field}.name", fields.get("name")),
            id=cgroup_name(f"{field}.id", fields.get("id")),
            priority=integer_or_none(f"{field}.priority", fields.get("priority"), INT32),
            request_bytes=integer_or_none(f"{field}.requestBytes", fields.get("requestBytes"), BYTES) or 0,
        )
