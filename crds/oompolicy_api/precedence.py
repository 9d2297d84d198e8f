"""Which of several policies act on a node: the one rule that operator and agent share."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from oompolicy_api.policy import OOMPolicy

__all__ = ["InForce", "in_force", "selects"]

ENFORCE, AUDIT = "Enforce", "Audit"

_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class InForce:
    """The policies in force on one node.

    Attributes:
        acting: the one by whose triggers the agent acts; None: nobody acts.
        shadow: one in mode Audit that decides beside it, at the same triggers, and touches nothing.
    """

    acting: OOMPolicy | None
    shadow: OOMPolicy | None

    @property
    def uids(self) -> tuple[str, ...]:
        """Of both, as far as there are any."""
        return tuple(policy.metadata.uid for policy in (self.acting, self.shadow) if policy)


def selects(policy: OOMPolicy, node_labels: Mapping[str, str]) -> bool:
    """Whether `policy` selects a node with these labels; a policy without a selector selects every node."""
    selector = policy.spec.node_selector
    return selector is None or selector.matches(node_labels)


def in_force(policies: Iterable[OOMPolicy], node_labels: Mapping[str, str]) -> InForce:
    """Which policies act on a node, of those that select it and are not being deleted.

    One that enforces and one that audits, each by precedence, then age, then name. A policy in mode Off competes with
    those that enforce, and where it wins nobody audits either, so that it can switch a node off by its precedence. A
    mode of a newer version counts as Off.
    """
    mine = [p for p in policies if p.metadata.deletion_timestamp is None and selects(p, node_labels)]
    enforcing = min((p for p in mine if p.spec.mode != AUDIT), key=_rank, default=None)
    auditing = min((p for p in mine if p.spec.mode == AUDIT), key=_rank, default=None)
    if enforcing is None:
        return InForce(auditing, None)
    return InForce(enforcing, auditing if enforcing.spec.mode == ENFORCE else None)


def _rank(policy: OOMPolicy) -> tuple[int, datetime, str]:
    meta = policy.metadata
    return (-policy.spec.precedence, meta.creation_timestamp or _NEVER, meta.name)
