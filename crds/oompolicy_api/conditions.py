"""Conditions, as metav1.Condition has them."""

from datetime import datetime

from oompolicy_api._model import ApiModel

__all__ = ["Condition"]


class Condition(ApiModel):
    """One observation."""

    type: str
    status: str
    reason: str
    message: str
    last_transition_time: datetime
    observed_generation: int | None = None
