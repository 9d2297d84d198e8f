"""Takes over from a guard that died in the middle of a kill: its victim may be on its way out, and is waited for."""

import time
from collections.abc import Mapping

from oompolicy_agent.guard.execution import Execution, Means, Prey
from oompolicy_agent.guard.history import kill_times
from oompolicy_agent.guard.kill import muster
from oompolicy_agent.guard.memcgs import CgroupFS
from oompolicy_agent.guard.parts import Parts
from oompolicy_agent.guard.records import Decision

__all__ = ["take_over", "victim_left"]

UNKNOWN_MARGIN = 1 << 62
"""How much was left at the decision is history; so only what the victim's own memcg gives back counts."""


def take_over(parts: Parts) -> None:
    """Goes on where the guard before was interrupted: its kills bind our budget, its last victim is waited for."""
    history = parts.ledger.adopt()
    for moment in kill_times(history, time.monotonic(), time.time()):
        parts.budget.spend(moment)
    for record in history.unwritten:
        if execution := victim_left(record, parts.means):
            parts.enforcer.wait_for(execution, execution.decision.domain)


def victim_left(record: Mapping[str, object], means: Means) -> Execution | None:
    """The wait for the victim of an interrupted decision; None if it has gone, or was never sent a signal.

    Who was not signalled is no victim yet: whether the shortage is still there has to be seen first.
    """
    victim = record.get("victim")
    paths = record.get("dies")
    if not isinstance(victim, dict) or not isinstance(paths, list) or not paths:
        return None
    path = str(victim.get("path"))
    if not path.startswith("/") or means.cgroups.id_of(path) != victim.get("id"):
        return None
    party = muster(means.cgroups, means.proc, paths)
    if not party.is_dying:
        return None
    pod_path = path.rpartition("/")[0] if victim.get("container") else path
    prey = Prey(tuple(map(str, paths)), pod_path, party, _held(means.cgroups, paths))
    domain = str(record.get("domain"))
    decision = Decision(str(record.get("id")), time.time(), domain, "Enforce", None, None, None)
    return Execution(means, prey, decision, time.monotonic(), UNKNOWN_MARGIN)


def _held(cgroups: CgroupFS, paths: list[str]) -> int:
    """What is still charged: half of it has to come back."""
    return sum(cgroups.current(path) or 0 for path in paths)
