"""Decides whether a victim is asked to end (SIGTERM) before it is killed, and how long it is given. Pure."""

from oompolicy_agent.guard.records import Victim
from oompolicy_agent.guard.targets import Targets
from oompolicy_agent.guard.watch import Shortage, seconds_left

__all__ = ["grace_of"]

KILL_TO_FREE = 0.3
"""Seconds, until this node's own kills have been measured."""


def grace_of(shortage: Shortage, victim: Victim, targets: Targets, kill_to_free: float | None) -> int:
    """Milliseconds; 0: SIGKILL at once.

    Only where the forecast leaves time for the grace and for the kill after it, and only for pods that are always
    restarted: a Job that ends well on SIGTERM would count as done. One process of many is not asked, because whoever
    gets SIGTERM may take it for an order to end the whole service.
    """
    pod = targets.pods.get(victim.pod_uid)
    if pod is None or not pod.restarts_always or victim.unit == "Process":
        return 0
    needed = pod.grace_milliseconds / 1000 + (kill_to_free or KILL_TO_FREE)
    has_time = seconds_left(shortage.sample.room, shortage.trigger.threshold, shortage.steady_growth) > needed
    return pod.grace_milliseconds if has_time else 0
