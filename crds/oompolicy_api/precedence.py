"""Which of several policies acts on a node: the one rule that operator and agent share."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from oompolicy_api.policy import OOMPolicy

__all__ = ["in_force", "selects"]

_NEVER = datetime.max.replace(tzinfo=UTC)


def selects(policy: OOMPolicy, node_labels: Mapping[str, str]) -> bool:
    """Whether `policy` selects a node with these labels; a policy without a selector selects every node."""
    selector = policy.spec.node_selector
    return selector is None or selector.matches(node_labels)


def in_force(policies: Iterable[OOMPolicy], node_labels: Mapping[str, str]) -> OOMPolicy | None:
    """The one policy that acts on a node, or None.

    Among those that select the node and are not being deleted: the highest precedence, then the older, then the first
    by name. A policy in mode Off counts like any other, so that it can switch a node off by its precedence.
    """
    mine = [p for p in policies if p.metadata.deletion_timestamp is None and selects(p, node_labels)]
    return min(mine, key=_rank, default=None)


def _rank(policy: OOMPolicy) -> tuple[int, datetime, str]:
    meta = policy.metadata
    return (-policy.spec.precedence, meta.creation_timestamp or _NEVER, meta.name)
