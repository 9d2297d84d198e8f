"""Which policies want an agent on a node and which act there, worked out once for all nodes that no policy tells apart.

Thousands of nodes are of few kinds: of a node's labels only those count that some policy selects by.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from oompolicy_api.policy import OOMPolicy
from oompolicy_api.precedence import InForce, in_force
from oompolicy_operator.placement import is_desired, keys

__all__ = ["Place", "Roster"]


class Place(NamedTuple):
    """What holds for all nodes of one kind."""

    wanted_by: frozenset[str]
    """Names of the policies that want an agent there."""
    in_force: InForce


class Roster:
    """Answers for a fixed set of policies."""

    def __init__(self, policies: Sequence[OOMPolicy] = ()) -> None:
        self.policies = tuple(policies)
        self._keys = sorted({key for policy in policies for key in keys(policy)})
        self._places: dict[tuple[str | None, ...], Place] = {}

    def place(self, node_labels: Mapping[str, str]) -> Place:
        """What holds for a node with these labels."""
        kind = tuple(map(node_labels.get, self._keys))
        if kind not in self._places:
            wanted_by = frozenset(each.metadata.name for each in self.policies if is_desired(each, node_labels))
            self._places[kind] = Place(wanted_by, in_force(self.policies, node_labels))
        return self._places[kind]

    def nodes_by_policy(self, nodes: Mapping[str, Mapping[str, str]]) -> dict[str, list[str]]:
        """The names of the nodes on which each policy wants an agent, given the labels of all."""
        found: dict[str, list[str]] = {policy.metadata.name: [] for policy in self.policies}
        for node, labels in nodes.items():
            for name in self.place(labels).wanted_by:
                found[name].append(node)
        return found
