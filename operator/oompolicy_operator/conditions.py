"""Makes conditions, for policies and decisions alike. Pure."""

from oompolicy_api.conditions import Condition

__all__ = ["renewed"]

_LONGEST_MESSAGE = 4096
"""The CRDs' bound; the API server's own words may be longer."""


def renewed(before: Condition | None, new: Condition) -> Condition:
    """`new`, cut to its bounds, with the lastTransitionTime of the one `before` it if the status is the same."""
    same = before is not None and before.status == new.status
    since = before.last_transition_time if before and same else new.last_transition_time.replace(microsecond=0)
    return new.model_copy(update={"message": new.message[:_LONGEST_MESSAGE], "last_transition_time": since})
