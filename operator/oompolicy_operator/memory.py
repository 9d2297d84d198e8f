"""The operator's picture of the cluster, asked by the names that the rest of the operator uses."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from oompolicy_api.policy import OOMPolicy, OOMPolicyStatus
from oompolicy_operator.acceptance import Rejection
from oompolicy_operator.manifests import daemon_set_name
from oompolicy_operator.observed import Labels, NodeReport, Observed, ReadyAgent
from oompolicy_operator.roster import Roster

__all__ = ["Agents", "Memory", "StoredPolicy"]


class StoredPolicy(NamedTuple):
    """A policy as it was last seen."""

    policy: OOMPolicy | Rejection
    resource_version: int

    @property
    def uid(self) -> str:
        """Of the object: another one of the same name has another."""
        return self.policy.uid if isinstance(self.policy, Rejection) else self.policy.metadata.uid


@dataclass(slots=True)
class _Last:
    """What was worked out last."""

    roster: Roster = field(default_factory=Roster)
    versions: list[tuple[Any, ...]] = field(default_factory=list)
    """Of the policies in the roster."""
    nodes_by_policy: dict[str, list[str]] | None = None
    """By the roster; None: has to be worked out again."""


class Agents:
    """The Ready agent pods, by node."""

    def __init__(self) -> None:
        self._by_node: dict[str, frozenset[str]] = {}

    def on(self, node: str) -> frozenset[str]:
        """The uids of those on `node`: two for a moment while an agent is replaced."""
        return self._by_node.get(node, frozenset())

    def change(self, before: ReadyAgent | None, after: ReadyAgent | None) -> None:
        """Takes note that one is what it was not before; None: not Ready, or not there."""
        if before:
            self._put(before.node, self.on(before.node) - {before.uid})
        if after:
            self._put(after.node, self.on(after.node) | {after.uid})

    def _put(self, node: str, uids: frozenset[str]) -> None:
        self._by_node[node] = uids
        if not uids:
            del self._by_node[node]


@dataclass(frozen=True, slots=True)
class Memory:
    """What is known of the cluster."""

    policies: Mapping[str, Collection[StoredPolicy]]
    """By name; a kopf index, which has for each key the values of all objects indexed under it."""
    uids: Mapping[str, str]
    """By name, of the policies that exist. kopf (1.45) is not told of what was deleted while it could not watch and had
    to list anew, and keeps it in its index for ever."""
    daemon_sets: Mapping[str, Mapping[str, Any]]
    """By name."""
    nodes: Mapping[str, Labels]
    """Labels by name."""
    reports: Mapping[str, NodeReport]
    """By node."""
    agents: Agents
    _last: _Last = field(default_factory=_Last, init=False)

    def policy(self, name: str) -> StoredPolicy | None:
        """The policy with this name, or None when it is gone."""
        uid = self.uids.get(name)
        return next((each for each in self.policies.get(name, ()) if each.uid == uid), None)

    def daemon_set_of(self, policy: str) -> Mapping[str, Any] | None:
        """The DaemonSet for the policy with this name, or None when there is none."""
        return self.daemon_sets.get(daemon_set_name(policy))

    def nodes_changed(self) -> None:
        """Has to be told that a node came or went, or has other labels."""
        self._last.nodes_by_policy = None

    def observed(self, policy: str) -> Observed:
        """What is now that concerns the policy with this name, as a value: it stays when the memory changes."""
        roster = self._roster()
        if self._last.nodes_by_policy is None:
            self._last.nodes_by_policy = roster.nodes_by_policy(self.nodes)
        nodes = self._last.nodes_by_policy.get(policy, [])
        return Observed(
            roster=roster,
            nodes={node: self.nodes[node] for node in nodes},
            ready_agents={node: self.agents.on(node) for node in nodes},
            reports={node: self.reports[node] for node in nodes if node in self.reports},
        )

    def policies_for(self, node: str) -> frozenset[str]:
        """The names of the policies that select `node`."""
        labels = self.nodes.get(node)
        return frozenset() if labels is None else self._roster().place(labels).wanted_by

    def statuses(self) -> Iterator[tuple[str, OOMPolicyStatus]]:
        """Each policy's name and what its status says."""
        for name, stored in self._stored():
            yield name, stored.policy.status

    def _stored(self) -> Iterator[tuple[str, StoredPolicy]]:
        for name in self.policies:
            stored = self.policy(name)
            if stored:
                yield name, stored

    def _roster(self) -> Roster:
        """The same one as long as no policy's spec has changed."""
        accepted = [each.policy for _, each in self._stored() if isinstance(each.policy, OOMPolicy)]
        versions = [(each.uid, each.generation, each.deletion_timestamp) for each in (p.metadata for p in accepted)]
        if versions != self._last.versions:
            self._last.versions, self._last.roster = versions, Roster(accepted)
            self._last.nodes_by_policy = None
        return self._last.roster
