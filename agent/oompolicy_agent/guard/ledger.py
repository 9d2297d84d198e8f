"""Tells of every decision in all the places where it is told: journal, log, and the counts of the status."""

import time

from oompolicy_agent.guard.chooser import Choice
from oompolicy_agent.guard.clock import decision_id
from oompolicy_agent.guard.history import History, interrupted, recall
from oompolicy_agent.guard.journal import Journal
from oompolicy_agent.guard.kernel_kills import KernelKill
from oompolicy_agent.guard.log import Log
from oompolicy_agent.guard.records import Decision, Document, name_in, pod_victim
from oompolicy_agent.guard.targets import Policy, Targets

__all__ = ["Ledger"]

KILLS = ("Killed", "Futile", "GaveUp")
MESSAGES = {
    "Killed": "Killed {unit} {name}",
    "Futile": "Killed {unit} {name}, which gave back next to nothing",
    "GaveUp": "Killed {unit} {name}, which did not die in time",
    "WouldKill": "Would have killed {unit} {name}",
}


class Ledger:
    """Keeps the books of one guard; counts are since its start."""

    def __init__(self, journal: Journal, log: Log) -> None:
        self.kills = 0
        self.kernel_kills = 0
        self.last: Document | None = None
        self._journal = journal
        self._log = log

    @property
    def problem(self) -> str | None:
        """What keeps the journal from being written."""
        return self._journal.problem

    def adopt(self) -> History:
        """Closes what a guard before us left open; returns what its records say."""
        history = recall(self._journal.tail())
        if history.last:
            self.last = _short(history.last, name_in(history.last))
        for record in history.open:
            closed = interrupted(record)
            self._journal.write(closed)
            self.last = _short(closed, name_in(closed))
            self._log.warning("Found a decision that was interrupted", id=record.get("id"), victim=name_in(record))
        return history

    def open(self, decision: Decision) -> None:
        """Records the intent, before the first signal."""
        self._journal.write(decision.document())

    def close(self, decision: Decision, choice: Choice) -> None:
        """Records what came of it."""
        self.kills += decision.outcome in KILLS
        self._conclude(decision)
        victim = choice.victim
        message = MESSAGES[decision.outcome].format(unit=victim.unit.lower(), name=victim.name)
        self._log.info(message, **_fields(decision), why=choice.why)

    def nothing_eligible(self, decision: Decision) -> None:
        """Records that nobody may be killed although memory is short."""
        self._conclude(decision)
        self._log.error("Nothing may be killed, the kernel will have to choose", **_fields(decision))

    def kernel_killed(self, kill: KernelKill, policy: Policy | None, targets: Targets) -> None:
        """Records that the kernel was first."""
        self.kernel_kills += kill.count
        victim = pod_victim(kill.pod, targets) if kill.pod else None
        now = time.time()
        mode = policy.mode if policy else "Off"
        decision = Decision(
            decision_id(now),
            now,
            kill.domain,
            mode,
            policy,
            None,
            victim,
            outcome="KernelKilled",
            kernel_kills=kill.count,
        )
        self._conclude(decision)
        self._log.warning("The kernel's OOM killer was first", **_fields(decision), processes=kill.count)

    def flush(self) -> None:
        """Brings the journal to the disk, if there is anything new in it."""
        self._journal.flush()

    def _conclude(self, decision: Decision) -> None:
        record = decision.document()
        self._journal.write(record)
        self.last = _short(record, decision.victim.name if decision.victim else None)


def _short(record: Document, victim: str | None) -> Document:
    return {"id": record.get("id"), "time": record.get("time"), "outcome": record.get("outcome"), "victim": victim}


def _fields(decision: Decision) -> Document:
    """What the log says of a decision; the journal has the rest under the same id."""
    victim, trigger = decision.victim, decision.trigger
    fields: Document = {
        "id": decision.id,
        "domain": decision.domain,
        "policy": decision.policy and decision.policy.name,
    }
    if victim:
        fields |= {"pod": victim.pod and f"{victim.namespace}/{victim.pod}", "container": victim.container}
        fields |= {
            "priority": victim.priority,
            "rule": victim.rule,
            "cgroup": victim.path,
            "usageBytes": victim.usage_bytes,
        }
    if trigger:
        fields |= {"reason": trigger.reason, "marginBytes": trigger.margin, "thresholdBytes": trigger.threshold}
        fields |= {"growthBytesPerSecond": trigger.growth}
    if decision.signal_to_empty is not None:
        fields |= {"freedBytes": decision.freed_bytes, "milliseconds": decision.milliseconds}
    return fields
