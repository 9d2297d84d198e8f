"""How far a policy has come on one node: told from who is in force there and what the node's agent reports."""

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from oompolicy_api.policy import OOMPolicy
from oompolicy_api.precedence import InForce
from oompolicy_operator.observed import NodeReport, Observed

__all__ = ["NodeState", "Standing", "node_states"]


class Standing(enum.Enum):
    """What a policy is on one node that it selects."""

    PROGRAMMED = "programmed"
    """The guard applies this generation."""
    PENDING = "pending"
    """The agent is there and reports, but something else than this generation."""
    OVERRIDDEN = "overridden"
    """Another policy is in force."""
    STALE = "stale"
    """No ready agent, or none that reports."""


@dataclass(frozen=True, slots=True)
class NodeState:
    """One node, as the policy sees it.

    Attributes:
        standing: what the policy is there.
        backend, why: of programmed nodes only, as in NodeReport.
        winner: the name of the policy that overrides it; empty when none does.
        problems: what needs a person there, each after the node's name; of nodes where this policy is in force.
    """

    standing: Standing
    backend: str | None = None
    why: str = ""
    winner: str = ""
    problems: tuple[str, ...] = ()


def node_states(policy: OOMPolicy, observed: Observed) -> Iterator[NodeState]:
    """The state of each node that `policy` selects and that can run an agent."""
    for node, labels in observed.nodes.items():
        place = observed.roster.place(labels)
        if policy.metadata.name in place.wanted_by:
            yield _state(policy, node, place.in_force, observed)


def _state(policy: OOMPolicy, node: str, found: InForce, observed: Observed) -> NodeState:
    if winner := _winner(policy, found):
        return NodeState(Standing.OVERRIDDEN, winner=winner.metadata.name)
    report = _trusted_report(node, observed)
    if report is None:
        return NodeState(Standing.STALE)
    problems = tuple(f"{node}: {problem}" for problem in report.problems)
    if (policy.metadata.uid, policy.metadata.generation) not in report.applied:
        return NodeState(Standing.PENDING, problems=problems)
    return NodeState(Standing.PROGRAMMED, report.backend, report.why, problems=problems)


def _winner(policy: OOMPolicy, found: InForce) -> OOMPolicy | None:
    """The policy that acts in its place: of the same mode, or one that has switched the node off."""
    if found.acting is None or policy.metadata.uid in found.uids:
        return None
    return found.shadow if found.shadow and policy.spec.mode == found.shadow.spec.mode else found.acting


def _trusted_report(node: str, observed: Observed) -> NodeReport | None:
    """The node's report if it is from a Ready agent. Of two agents, one holds the lock and reports for both."""
    report = observed.reports.get(node)
    alive = observed.ready_agents.get(node, frozenset())
    return report if report and report.agent_pod_uid in alive else None
