"""What the agent knows of the cluster: a pure function of what the API server said, in the order it said it."""

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from oompolicy_agent.pods import Pod, PodError, parse_pod, quantity_bytes
from oompolicy_api.policy import OOMPolicy

__all__ = ["Change", "Entry", "Kind", "Listing", "Node", "World", "parse"]


class Kind(StrEnum):
    """The kinds of objects that matter here, as the log names them."""

    NODE = "Node"
    NAMESPACE = "Namespace"
    POLICY = "OOMPolicy"
    POD = "Pod"


@dataclass(frozen=True, slots=True)
class Node:
    """The agent's own node.

    Attributes:
        address: its InternalIP, empty when it has none.
        kubelet_port: where kubelet answers, 0 when unknown.
        memory_bytes: its capacity, 0 when unknown.
        allocatable_bytes: what of that pods may request, 0 when unknown.
    """

    labels: Mapping[str, str]
    address: str
    kubelet_port: int
    memory_bytes: int
    allocatable_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """One object.

    Attributes:
        value: made of its newest version that could be read: a Node, a Pod, an OOMPolicy, a namespace's labels; None:
            there was no such version.
        problem: why its newest version could not be read; empty when it could.
    """

    uid: str
    name: str
    value: Any
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """All objects of one kind that there are."""

    kind: Kind
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """One object is new, different or, with `gone`, not there any more."""

    kind: Kind
    entry: Entry
    gone: bool = False


@dataclass(frozen=True, slots=True)
class World:
    """The objects of each kind by uid; a kind that is missing has not been listed yet."""

    tables: Mapping[Kind, Mapping[str, Entry]] = field(default_factory=lambda: MappingProxyType({}))

    def after(self, event: Listing | Change) -> "World":
        """The world after one event; of an object that cannot be read, the last version that could be stays."""
        old = self.tables.get(event.kind, {})
        match event:
            case Listing(entries=entries):
                table = {entry.uid: _kept(old, entry) for entry in entries}
            case Change(entry=entry, gone=True):
                table = {uid: known for uid, known in old.items() if uid != entry.uid}
            case Change(entry=entry):
                table = {**old, entry.uid: _kept(old, entry)}
        return replace(self, tables=MappingProxyType({**self.tables, event.kind: MappingProxyType(table)}))

    def with_agents_of(self, names: Container[str]) -> "World":
        """The world in which there are only the policies of these names; one that has not been listed stays so."""
        if Kind.POLICY not in self.tables:
            return self
        policies = {uid: one for uid, one in self.tables[Kind.POLICY].items() if one.name in names}
        return replace(self, tables=MappingProxyType({**self.tables, Kind.POLICY: MappingProxyType(policies)}))

    @property
    def complete(self) -> bool:
        """Whether every kind has been listed."""
        return len(self.tables) == len(Kind)

    @property
    def readable(self) -> bool:
        """Whether of each policy at least one version could be read."""
        return all(entry.value is not None for entry in self._entries(Kind.POLICY))

    @property
    def node(self) -> Entry | None:
        """The agent's own node, whose value is a Node; None while it has not been seen."""
        return next(iter(self._entries(Kind.NODE)), None)

    @property
    def policies(self) -> tuple[OOMPolicy, ...]:
        """Every policy, by its newest version that could be read."""
        return self._values(Kind.POLICY)

    @property
    def pods(self) -> tuple[Pod, ...]:
        """The pods of this node."""
        return self._values(Kind.POD)

    @property
    def namespaces(self) -> dict[str, Mapping[str, str]]:
        """The labels of each namespace by its name."""
        return {entry.name: entry.value for entry in self._entries(Kind.NAMESPACE)}

    @property
    def problems(self) -> tuple[str, ...]:
        """One sentence for each object that could not be read."""
        return tuple(
            f"{kind} {entry.name}: {entry.problem}" for kind in Kind for entry in self._entries(kind) if entry.problem
        )

    def _entries(self, kind: Kind) -> Iterable[Entry]:
        return self.tables.get(kind, {}).values()

    def _values(self, kind: Kind) -> tuple[Any, ...]:
        return tuple(entry.value for entry in self._entries(kind) if entry.value is not None)


def _kept(old: Mapping[str, Entry], entry: Entry) -> Entry:
    return replace(entry, value=old[entry.uid].value) if entry.problem and entry.uid in old else entry


def parse(kind: Kind, body: Mapping[str, Any]) -> Entry:
    """The entry for an object as the API server returns it; one that cannot be read becomes a problem."""
    metadata = body.get("metadata") or {}
    uid, name = str(metadata.get("uid")), str(metadata.get("name"))
    try:
        return Entry(uid, name, _PARSERS[kind](body))
    except PodError as error:
        return Entry(uid, f"{metadata.get('namespace')}/{name}", None, str(error))
    except ValidationError as error:
        first = error.errors()[0]
        return Entry(
            uid, name, None, f"{'.'.join(map(str, first['loc']))}: {first['msg']}, found {first['input']!r:.80}"
        )


def _labels(body: Mapping[str, Any]) -> Mapping[str, str]:
    return dict(body["metadata"].get("labels") or {})


def _node(body: Mapping[str, Any]) -> Node:
    status = body.get("status") or {}
    addresses = [a["address"] for a in status.get("addresses") or () if a["type"] == "InternalIP"]
    port = ((status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}).get("Port", 0)
    memory, allocatable = (
        quantity_bytes((status.get(name) or {}).get("memory", 0), f"status.{name}.memory")
        for name in ("capacity", "allocatable")
    )
    return Node(_labels(body), next(iter(addresses), ""), int(port), memory, allocatable)


_PARSERS: Mapping[Kind, Callable[[Mapping[str, Any]], Any]] = {
    Kind.NODE: _node,
    Kind.NAMESPACE: _labels,
    Kind.POLICY: OOMPolicy.parse,
    Kind.POD: parse_pod,
}
