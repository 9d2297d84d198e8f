"""Tells of every decision in all the places where it is told: journal, log, and the counts of the status."""

import time
from dataclasses import replace

from oompolicy_agent.guard.chooser import Choice
from oompolicy_agent.guard.clock import decision_id
from oompolicy_agent.guard.history import History, recall
from oompolicy_agent.guard.journal import Journal
from oompolicy_agent.guard.kernel_kills import KernelKill
from oompolicy_agent.guard.log import Log
from oompolicy_agent.guard.records import Decision, Document, Victim, name_in, pod_victim
from oompolicy_agent.guard.ring import Ring
from oompolicy_agent.guard.targets import Policy, Targets
from oompolicy_agent.guard.watch import Shortage

__all__ = ["Ledger", "drafted"]

DIES = "dies"
"""Of an intent only: the memcgs that were to be emptied, for the guard that has to wait for them."""
KILLS = ("Killed", "Futile", "GaveUp")
MESSAGES = {
    "Killed": "Killed {unit} {name}",
    "Futile": "Killed {unit} {name}, which gave back next to nothing",
    "GaveUp": "Killed {unit} {name}, which did not die in time",
    "WouldKill": "Would have killed {unit} {name}",
}


class Ledger:
    """Keeps the books of one guard; counts are since its start."""

    def __init__(self, journal: Journal, ring: Ring, log: Log) -> None:
        self.kills = 0
        self.kernel_kills = 0
        self.disagreed = 0
        """Processes, of all those, that the policy would not have taken."""
        self.own_limit_kills = 0
        """Processes that the kernel ended at the limit of a pod or container."""
        self.last: Document | None = None
        self._journal = journal
        self._ring = ring
        self._log = log

    @property
    def problem(self) -> str | None:
        """What keeps decisions from being kept."""
        return self._journal.problem or self._ring.problem

    def adopt(self) -> History:
        """Writes down what a guard before us could not; returns what its records say."""
        left = self._ring.left()
        history = recall(self._journal.tail(), left.values())
        for record in history.unwritten:
            slot = next(slot for slot, one in left.items() if one.get("id") == record["id"])
            del left[slot]
            self._journal.write({key: value for key, value in record.items() if key != DIES}, slot)
            self._log.warning("Found a decision that was interrupted", id=record["id"], victim=name_in(record))
        for slot in left:  # in the journal already, or there twice
            self._ring.clear(slot)
        if history.last:
            self.last = _short(history.last, name_in(history.last))
        return history

    def open(self, decision: Decision, dies: tuple[str, ...]) -> int | None:
        """Keeps the intent to empty the memcgs `dies`, before the first signal; returns its slot in the ring."""
        return self._ring.put(replace(decision, samples=()).document() | {DIES: list(dies)})

    def close(self, decision: Decision, choice: Choice, slot: int | None = None) -> None:
        """Records what came of it, and why it was chosen; `slot` of the ring has the intent."""
        self.kills += decision.outcome in KILLS
        why, layers = choice.why, choice.candidate.layers
        self._conclude(replace(decision, why=why, layers=layers, ranking=choice.ranking), slot)
        victim = decision.victim or choice.victim
        message = MESSAGES[decision.outcome].format(unit=victim.unit.lower(), name=victim.name)
        self._log.info(message, **_fields(decision), why=why)

    def kernel_decided(self, decision: Decision) -> None:
        """Records what our handler has decided in the kernel; the record is complete."""
        if decision.outcome == "NothingEligible":
            self.nothing_eligible(decision)
            return
        self.kills += decision.outcome in KILLS
        self._conclude(decision)
        if victim := decision.victim:
            message = MESSAGES[decision.outcome].format(unit=victim.unit.lower(), name=victim.name)
            self._log.info(message, **_fields(decision), why=decision.why)

    def nothing_eligible(self, decision: Decision) -> None:
        """Records that nobody may be killed although memory is short."""
        self._conclude(decision)
        if decision.mode == "Audit":
            self._log.warning("Would have found nobody who may be killed", **_fields(decision))
        else:
            self._log.error("Nothing may be killed, the kernel will have to choose", **_fields(decision))

    def kernel_killed(self, kill: KernelKill, targets: Targets, backend: str, *, agreed: bool | None) -> None:
        """Records that the kernel was first; `backend` would have chosen.

        Whether it would have chosen this one is in `agreed`; None: nobody knows.
        """
        if kill.is_own_limit:
            self.own_limit_kills += kill.count
        else:
            self.kernel_kills += kill.count
        self.disagreed += kill.count if agreed is False else 0
        victim, policy = _told(kill, targets), targets.policy
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
            backend,
            outcome="KernelKilled",
            agreed=agreed,
            kernel_kills=kill.count,
        )
        self._conclude(decision)
        fields = _fields(decision) | {"processes": kill.count, "agreed": agreed}
        if kill.is_own_limit:
            self._log.info("The kernel's OOM killer acted at the pod's own limit", **fields)
        else:
            self._log.warning("The kernel's OOM killer was first", **fields)

    def flush(self) -> None:
        """Brings the journal to the disk, if there is anything new in it."""
        self._journal.flush()

    def _conclude(self, decision: Decision, intent: int | None = None) -> None:
        """The complete record has a slot of its own before the intent's is given up."""
        record = decision.document()
        slot = self._ring.put(record)
        self._ring.clear(intent)
        self._journal.write(record, slot)
        self.last = _short(record, decision.victim.name if decision.victim else None)


def drafted(shortage: Shortage, policy: Policy, choice: Choice | None, backend: str) -> Decision:
    """A decision about a shortage, made now by that backend; nothing has come of it yet."""
    now = time.time()
    victim = choice.victim if choice else None
    return Decision(
        decision_id(now),
        now,
        shortage.domain,
        policy.mode,
        policy,
        shortage.trigger,
        victim,
        backend,
        samples=shortage.course.around(shortage.sample.time),
    )


def _told(kill: KernelKill, targets: Targets) -> Victim | None:
    """Whom the kernel took, as far as anybody knows."""
    if kill.pod is None:
        return None
    pod = targets.pods.get(kill.pod.pod_uid)
    if pod and kill.container and (told := pod.containers.get(kill.container.container_id)):
        return replace(pod_victim(kill.pod, targets), container=told.name)
    return pod_victim(kill.pod, targets)


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
        pod = victim.pod and f"{victim.namespace}/{victim.pod}"
        fields |= {"victim": victim.name, "pod": pod, "container": victim.container}
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
