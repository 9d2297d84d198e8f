"""Reads policies, decisions, pods and namespaces from YAML files, as kubectl writes them; refuses what the API would.

Files may hold several documents and lists, in any order; each object is told by its kind.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from oompolicy_agent.pods import Pod, PodError, parse_pod
from oompolicy_agent.resolve import NAMESPACE_NAME_LABEL
from oompolicy_api import GROUP, VERSION
from oompolicy_api.decision import OOMDecision
from oompolicy_api.policy import OOMPolicy
from oompolicy_api.rules import Rule

__all__ = ["ManifestError", "Manifests", "only_policy", "read_manifests", "read_policy"]

MODES = ("Enforce", "Audit", "Off")
OURS = f"{GROUP}/{VERSION}"
API_VERSIONS = {"OOMPolicy": OURS, "OOMDecision": OURS, "Pod": "v1", "Namespace": "v1"}
INT32 = range(-(2**31), 2**31)


class ManifestError(ValueError):
    """A file that cannot be used; the message is one line that names the file and the field."""

    def __init__(self, file: str, message: str) -> None:
        super().__init__(f"{file}: {' '.join(message.split())}")


@dataclass(slots=True)
class Manifests:
    """What was found in the files; namespaces are their labels by name, decisions the oldest first."""

    policies: list[OOMPolicy] = field(default_factory=list)
    decisions: list[OOMDecision] = field(default_factory=list)
    pods: list[Pod] = field(default_factory=list)
    namespaces: dict[str, Mapping[str, str]] = field(default_factory=dict)


def read_manifests(files: Iterable[str]) -> Manifests:
    """Reads `files`, of which `-` is standard input.

    Raises:
        ManifestError: a file cannot be read, or holds something else.
    """
    objects = [(name, body) for name in files for document in _documents(name) for body in _objects(name, document)]
    decisions = [_decision(name, body) for name, body in objects if body["kind"] == "OOMDecision"]
    return Manifests(
        policies=[_policy(name, body) for name, body in objects if body["kind"] == "OOMPolicy"],
        decisions=sorted(decisions, key=lambda one: one.spec.time),
        pods=[_pod(name, body) for name, body in objects if body["kind"] == "Pod"],
        namespaces=dict(_namespace(name, body) for name, body in objects if body["kind"] == "Namespace"),
    )


def read_policy(files: Iterable[str]) -> OOMPolicy:
    """The policy in `files`, as above; raises ManifestError also if there is not exactly one."""
    names = list(files)
    return only_policy(names, read_manifests(names))


def only_policy(names: Iterable[str], found: Manifests) -> OOMPolicy:
    """The policy of what was found in the files of these names; raises ManifestError if there is not exactly one."""
    if len(found.policies) != 1:
        raise ManifestError(", ".join(names), f"kind: expected exactly one OOMPolicy, found {len(found.policies)}")
    return found.policies[0]


def _decision(name: str, body: Mapping[str, Any]) -> OOMDecision:
    try:
        return OOMDecision.model_validate(body)
    except ValidationError as error:
        first = error.errors()[0]
        raise ManifestError(name, f"decision {_called(body)}: {_path(first['loc'])}: {first['msg']}") from error


def _documents(name: str) -> list[Any]:
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
        return list(yaml.load_all(text, Loader=yaml.CSafeLoader))
    except OSError as error:
        raise ManifestError(name, error.strerror or str(error)) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ManifestError(name, f"expected YAML: {error}") from error


def _objects(name: str, document: object, kind_of_items: str = "") -> Iterator[dict[str, Any]]:
    """The objects in one document; a `PodList` may leave the kind of its items out."""
    if document is None:
        return
    if not isinstance(document, dict):
        raise ManifestError(name, f"expected an object with a kind, found {str(document)[:40]!r}")
    kind = document.get("kind", kind_of_items)
    if isinstance(kind, str) and kind.endswith("List"):
        for item in document.get("items") or []:
            yield from _objects(name, item, kind.removesuffix("List"))
    elif kind in API_VERSIONS:
        yield _of_known_version(name, {**document, "kind": kind})
    else:
        raise ManifestError(name, f"kind: expected {', '.join(API_VERSIONS)} or List, found {kind!r}")


def _of_known_version(name: str, body: dict[str, Any]) -> dict[str, Any]:
    expected = API_VERSIONS[body["kind"]]
    found = body.get("apiVersion", expected)
    if found != expected:
        raise ManifestError(name, f"apiVersion: expected {expected} for {body['kind']}, found {found!r}")
    return body


def _pod(name: str, body: Mapping[str, Any]) -> Pod:
    try:
        return parse_pod(body)
    except PodError as error:
        raise ManifestError(name, f"pod {_called(body)}: {error}") from error


def _namespace(name: str, body: Mapping[str, Any]) -> tuple[str, Mapping[str, str]]:
    metadata = body.get("metadata")
    match metadata:
        case {"name": str(namespace), "labels": dict(labels)}:
            return namespace, {NAMESPACE_NAME_LABEL: namespace} | labels
        case {"name": str(namespace), **rest} if rest.get("labels") is None:
            return namespace, {NAMESPACE_NAME_LABEL: namespace}
    raise ManifestError(
        name, f"namespace {_called(body)}: metadata: expected a name and labels, found {metadata!r:.80}"
    )


def _called(body: Mapping[str, Any]) -> str:
    metadata = body.get("metadata")
    return str(metadata.get("name")) if isinstance(metadata, Mapping) else "without a name"


def _policy(name: str, body: Mapping[str, Any]) -> OOMPolicy:
    """Strict, as the API server is: "5" is no integer, and the Off that YAML takes for `false` no mode."""
    try:
        policy = OOMPolicy.model_validate_json(json.dumps(body, default=str), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        raise ManifestError(name, f"{_path(first['loc'])}: {first['msg']}, found {first['input']!r:.80}") from error
    for where, fault in _faults(policy):
        raise ManifestError(name, f"{where}: {fault}")
    return policy


def _path(location: Iterable[str | int]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")


def _faults(policy: OOMPolicy) -> Iterator[tuple[str, str]]:
    """What the API server refuses by bounds and rules between fields, for what decides about a target."""
    spec = policy.spec
    if spec.mode not in MODES:
        yield "spec.mode", f"expected {', '.join(MODES)}, found {spec.mode!r}"
    if spec.default_priority not in INT32:
        yield "spec.defaultPriority", f"expected an int32, found {spec.default_priority}"
    names = [rule.name for rule in spec.rules]
    for i, rule in enumerate(spec.rules):
        if rule.name in names[:i]:
            yield f"spec.rules[{i}].name", f"expected a name of its own, found {rule.name!r} twice"
        yield from ((f"spec.rules[{i}]{where}", fault) for where, fault in _rule_faults(rule))


def _rule_faults(rule: Rule) -> Iterator[tuple[str, str]]:
    # A rule with none of the three is not refused: it may be a newer version's, and resolve() protects its pods.
    members = {"priority": rule.priority, "priorityFrom": rule.priority_from, "protect": rule.protect}
    found = [name for name, value in members.items() if value is not None]
    if len(found) > 1:
        yield "", f"must set exactly one of {', '.join(members)}, found {' and '.join(found)}"
    if rule.protect and not rule.match.namespace_selector:
        yield (
            ".match",
            "must have a namespaceSelector when protect is set, because pod labels are the tenant's to choose",
        )
    if rule.priority is not None and rule.priority not in INT32:
        yield ".priority", f"expected an int32, found {rule.priority}"
    if rule.override and rule.protect:
        yield ".override", "may not be set when protect is set"
    for where, bounds in ((".priorityFrom", rule.priority_from), (".override", rule.override)):
        if bounds and bounds.minimum > bounds.maximum:
            yield f"{where}.minimum", "must not be greater than maximum"
    yield from _container_faults(rule)


def _container_faults(rule: Rule) -> Iterator[tuple[str, str]]:
    names = [one.name for one in rule.containers]
    for i, one in enumerate(rule.containers):
        if one.name in names[:i]:
            yield f".containers[{i}].name", f"expected a name of its own, found {one.name!r} twice"
        if one.priority not in INT32:
            yield f".containers[{i}].priority", f"expected an int32, found {one.priority}"
