"""Which nodes can run an agent at all, in the words of node affinity: the scheduler and our counting use the same."""

from collections.abc import Mapping, Sequence
from typing import Any

from oompolicy_api.policy import OOMPolicy
from oompolicy_api.precedence import selects
from oompolicy_api.selectors import LabelSelectorRequirement

__all__ = ["is_desired", "keys", "node_selector_term"]


def _requirement(key: str, operator: str, *values: str) -> LabelSelectorRequirement:
    return LabelSelectorRequirement(key=key, operator=operator, values=values)


_REQUIREMENTS = (
    _requirement("kubernetes.io/os", "In", "linux"),
    # what the image is built for
    _requirement("kubernetes.io/arch", "In", "amd64", "arm64"),
    # these nodes have no kernel of their own that an agent could reach
    _requirement("type", "NotIn", "virtual-kubelet"),
    _requirement("eks.amazonaws.com/compute-type", "NotIn", "fargate"),
)


def is_desired(policy: OOMPolicy, node_labels: Mapping[str, str]) -> bool:
    """Whether `policy` wants an agent on a node with these labels.

    Raises:
        ValueError: the policy's selector has an operator that we do not know.
    """
    return all(requirement.matches(node_labels) for requirement in _REQUIREMENTS) and selects(policy, node_labels)


def keys(policy: OOMPolicy) -> set[str]:
    """The labels of a node that `is_desired` looks at."""
    return {each.key for each in (*_REQUIREMENTS, *_selector(policy))}


def node_selector_term(policy: OOMPolicy) -> dict[str, Any]:
    """A `nodeSelectorTerm` that allows exactly the nodes for which `is_desired` holds."""
    return {"matchExpressions": [_expression(each) for each in (*_REQUIREMENTS, *_selector(policy))]}


def _selector(policy: OOMPolicy) -> Sequence[LabelSelectorRequirement]:
    selector = policy.spec.node_selector
    if selector is None:
        return ()
    labels = sorted(selector.match_labels.items())
    return (*(_requirement(key, "In", value) for key, value in labels), *selector.match_expressions)


def _expression(requirement: LabelSelectorRequirement) -> dict[str, Any]:
    found: dict[str, Any] = {"key": requirement.key, "operator": requirement.operator}
    return found | ({"values": list(requirement.values)} if requirement.values else {})
