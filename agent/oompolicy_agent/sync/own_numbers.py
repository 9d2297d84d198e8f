"""What sync knows of its node itself, for its metrics: no guard is asked."""

from pathlib import Path

from oompolicy_agent.sync.journal import Journal, load_position
from oompolicy_agent.sync.keeper import Keeper

__all__ = ["own_numbers"]


def own_numbers(keeper: Keeper, journal: Journal, position_path: Path) -> dict[str, int | None]:
    """By field, as in metrics.MEASURED; None: not known."""
    return {
        "nodeMemoryBytes": keeper.node_memory_bytes or None,
        "protectedRequestBytes": keeper.plan.protected_request_bytes,
        "unpublishedDecisions": sum(1 for _ in journal.records(load_position(position_path))),
    }
