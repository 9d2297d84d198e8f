"""The operator's picture of the cluster: kopf's indexes, asked by the names that the rest of the operator uses."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from oompolicy_api.policy import OOMPolicy, OOMPolicyStatus
from oompolicy_operator.acceptance import Rejection
from oompolicy_operator.manifests import daemon_set_name
from oompolicy_operator.observed import Labels, NodeReport, Observed, ReadyAgent
from oompolicy_operator.placement import is_desired

__all__ = ["Memory", "StoredPolicy"]


class StoredPolicy(NamedTuple):
    """A policy as it was last seen."""

    policy: OOMPolicy | Rejection
    resource_version: int


@dataclass(frozen=True, slots=True)
class Memory:
    """Five indexes; a kopf index maps each key to the values of all objects that were indexed under it."""

    policies: Mapping[str, Collection[StoredPolicy]]
    """By name."""
    daemon_sets: Mapping[str, Collection[Mapping[str, Any]]]
    """By name."""
    nodes: Mapping[str, Collection[Labels]]
    """Labels by name."""
    reports: Mapping[str, Collection[NodeReport]]
    """By node."""
    agents: Mapping[str, Collection[ReadyAgent]]
    """By node."""

    def policy(self, name: str) -> StoredPolicy | None:
        """The policy with this name, or None when it is gone."""
        return next(iter(self.policies.get(name, ())), None)

    def daemon_set_of(self, policy: str) -> Mapping[str, Any] | None:
        """The DaemonSet for the policy with this name, or None when there is none."""
        return next(iter(self.daemon_sets.get(daemon_set_name(policy), ())), None)

    def observed(self) -> Observed:
        """What is now, as a value: it does not change when the indexes do."""
        return Observed(
            policies=self._accepted(),
            nodes={name: next(iter(found)) for name, found in self.nodes.items()},
            ready_agents={node: frozenset(agent.uid for agent in found) for node, found in self.agents.items()},
            reports={node: next(iter(found)) for node, found in self.reports.items()},
        )

    def policies_for(self, node: str) -> list[str]:
        """The names of the policies that select `node`."""
        labels = next(iter(self.nodes.get(node, ())), None)
        if labels is None:
            return []
        return [policy.metadata.name for policy in self._accepted() if is_desired(policy, labels)]

    def statuses(self) -> Iterator[tuple[str, OOMPolicyStatus]]:
        """Each policy's name and what its status says."""
        for name, found in self.policies.items():
            yield name, next(iter(found)).policy.status

    def _accepted(self) -> list[OOMPolicy]:
        stored = (next(iter(found)).policy for found in self.policies.values())
        return [policy for policy in stored if isinstance(policy, OOMPolicy)]
