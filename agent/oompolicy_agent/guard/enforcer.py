"""Carries out what the policy wants when memory is short: choose, record, kill, wait, record. One victim at a time."""

import time
from dataclasses import replace

from oompolicy_agent.guard.budget import Budget
from oompolicy_agent.guard.chooser import Choice, Chooses
from oompolicy_agent.guard.course import Course
from oompolicy_agent.guard.departures import Departures
from oompolicy_agent.guard.execution import Execution, Means, Prey
from oompolicy_agent.guard.grace import grace_of
from oompolicy_agent.guard.ledger import Ledger, drafted
from oompolicy_agent.guard.log import Log
from oompolicy_agent.guard.outcasts import Outcasts
from oompolicy_agent.guard.records import Decision
from oompolicy_agent.guard.targets import Policy, Targets
from oompolicy_agent.guard.watch import Shortage, seconds_left

__all__ = ["Enforcer"]

REPEAT_SECONDS = 60.0
"""Before the same remark is made again."""
NOTHING_SECONDS = 1.0
"""After a look that found nobody eligible: looking costs, and what makes somebody eligible takes its time."""

SHORTEST_KILL = 0.1
"""Seconds: a kill while nothing else goes on may take a quarter of it, but that promises nothing for the next."""


class Enforcer:
    """Acts on shortages and sees each victim out."""

    def __init__(
        self, chooser: Chooses, means: Means, *, budget: Budget, ledger: Ledger, outcasts: Outcasts, log: Log
    ) -> None:
        self.execution: Execution | None = None
        """The victim on its way out."""
        self.domain = ""
        """Where it was chosen."""
        self.kill_to_free_seconds: float | None = None
        """The longest of the last kills, from the beginning of the choice; None before the first."""
        self._choice: Choice | None = None
        self._course = Course()
        self._slot: int | None = None
        self._measured: list[float] = []
        self._chooser = chooser
        self._means = means
        self._budget = budget
        self._ledger = ledger
        self._outcasts = outcasts
        self._log = log
        self._departures = Departures(chooser.census, means)
        self._rests_until = float("-inf")
        self._has_said_nothing = False
        self._remark: tuple[str, float] | None = None

    def act(self, shortage: Shortage, targets: Targets, policy: Policy) -> bool:
        """Does what the policy wants about a shortage, unless there is a reason to wait; whether it has decided."""
        now = time.monotonic()
        if self.execution or now < self._rests_until or self._objects(shortage, policy, now):
            return False
        if self._sees_off(shortage, targets, policy, now):
            return False
        choice = self._chooser.choose(
            targets,
            shortage.domain,
            with_swap=shortage.sample.has_swap,
            excluded=self._outcasts.stuck,
            futile=self._outcasts.futile(now),
        )
        decision = drafted(shortage, policy, choice, self._chooser.backend)
        if choice is None:
            self._rests_until = now + NOTHING_SECONDS
            return self._say_nothing_is_eligible(decision)
        self._has_said_nothing = False
        if policy.mode == "Audit":
            self._budget.spend(now)
            self._ledger.close(replace(decision, outcome="WouldKill"), choice)
        else:
            self._begin(shortage, decision, choice, targets, now)
        return True

    def wait_for(self, execution: Execution, domain: str) -> None:
        """Takes over a victim of the guard before: it is on its way out, and no other comes before it has gone."""
        self.execution, self.domain = execution, domain

    def look(self, margin: int, *, must_hurry: bool) -> bool:
        """Looks after the victim on its way out; returns whether that has ended.

        Args:
            margin: of the domain in which it was chosen.
            must_hurry: whether there is no time left for its grace.
        """
        if (execution := self.execution) is None or execution.look(margin, must_hurry=must_hurry) is None:
            return False
        self.execution = None
        decision, victim = execution.decision, execution.decision.victim
        if victim and (execution.was_struck or decision.outcome == "GaveUp"):
            self._outcasts.remember(decision.outcome, victim.id, victim.owner, time.monotonic())
        if execution.was_struck and self._choice:
            self._measure(execution)
            samples = self._course.around(execution.signalled_at)
            self._ledger.close(replace(decision, samples=samples), self._choice, self._slot)
        return True

    def kernel_killed(self, processes: int) -> None:
        """The kernel killed while our victim was on its way out."""
        if execution := self.execution:
            counted = execution.decision.kernel_kills + processes
            execution.decision = replace(execution.decision, kernel_kills=counted)

    def relax(self) -> None:
        """Memory is back: the next shortage is a new one."""
        self._has_said_nothing = False
        self._outcasts.relax()

    def _begin(self, shortage: Shortage, decision: Decision, choice: Choice, targets: Targets, begun: float) -> None:
        now = time.monotonic()
        victim = choice.victim
        pod = targets.pods.get(victim.pod_uid)
        evict = pod is not None and (pod.is_evicted or self._budget.keeps_coming_back(now, victim.owner))
        decision = replace(decision, evict=evict)
        prey = Prey.of(self._means, victim, choice.dies, choice.party)
        execution = Execution(self._means, prey, decision, shortage.since, shortage.sample.margin, begun=begun)
        self.execution, self.domain, self._choice = execution, shortage.domain, choice
        self._course = shortage.course
        if choice.party.is_dying:  # somebody else has killed it: its memory is on its way
            return
        self._budget.spend(now, victim.owner)
        self._remark = None
        self._slot = self._ledger.open(execution.decision, choice.dies)
        if grace := grace_of(shortage, victim, targets, self.kill_to_free_seconds):
            execution.warn(grace)
        else:
            execution.strike()
        choice.keep()
        for problem in execution.problems:
            self._log.error("Could not kill as intended", id=decision.id, cgroup=victim.path, err=problem)

    def _objects(self, shortage: Shortage, policy: Policy, now: float) -> bool:
        """Whether there is a reason to wait; said once. Audit keeps to the budget to the last: it is of no help."""
        spent = self._budget.spent(now)
        must_wait = policy.mode == "Audit" or self._has_time(shortage)
        objection = spent if must_wait else None
        if self._outcasts.is_hopeless:
            objection = "the last kills gave nothing back: the memory is held by no process (tmpfs, slab)"
        waiting, acting = f"Waiting although memory is short: {objection}", f"Acting although {spent}"
        if remark := waiting if objection else spent and acting:
            self._say(remark, shortage.domain, now)
        return objection is not None

    def _sees_off(self, shortage: Shortage, targets: Targets, policy: Policy, now: float) -> bool:
        """Whether a pod is on its way out that gives back what it has while there is still time."""
        found = self._departures.next(shortage, targets, policy) if self._has_time(shortage) else None
        if found is None:
            return False
        pod, self.execution = found
        self.domain = shortage.domain
        self._say(f"Waiting although memory is short: {pod} is being deleted", shortage.domain, now)
        return True

    def _say(self, remark: str, domain: str, now: float) -> None:
        """Tells of what is remarkable about this moment, once: with swap a shortage comes and goes many times."""
        if self._remark is None or self._remark[0] != remark or now - self._remark[1] >= REPEAT_SECONDS:
            self._log.warning(remark, domain=domain)
            self._remark = (remark, now)

    def _has_time(self, shortage: Shortage) -> bool:
        """Whether waiting leaves the choice with us: a quarter of the threshold is left, and will be after a kill."""
        room, trigger = shortage.sample.room, shortage.trigger
        left = seconds_left(room, trigger.threshold, trigger.growth)
        return self._budget.binds(room, trigger.threshold) and left > (self.kill_to_free_seconds or 0.0)

    def _say_nothing_is_eligible(self, decision: Decision) -> bool:
        """Whether that is news."""
        if self._has_said_nothing:
            return False
        self._has_said_nothing = True
        self._ledger.nothing_eligible(replace(decision, outcome="NothingEligible"))
        return True

    def _measure(self, execution: Execution) -> None:
        self._measured = [*self._measured[-4:], execution.seconds]
        self.kill_to_free_seconds = max(SHORTEST_KILL, *self._measured)
