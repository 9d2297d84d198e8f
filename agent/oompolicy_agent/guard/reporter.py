"""Gathers what the guard says about itself, and publishes it."""

import time

from oompolicy_agent.guard.parts import Parts
from oompolicy_agent.guard.snapshot import Facts, Mapped, mapped, untold
from oompolicy_agent.guard.status import Status, boot_id
from oompolicy_agent.guard.support import Reason
from oompolicy_agent.guard.watch import Watch

__all__ = ["Reporter"]

NOBODY_SAYS = "neither the runtime nor the API server says what they are"


class Reporter:
    """Publishes the status of one guard; changes nothing."""

    def __init__(self, parts: Parts) -> None:
        self.problems: dict[str, str | None] = {}
        """What is wrong that no part knows of, by topic."""
        self._parts = parts
        self._boot = boot_id(parts.settings.proc)
        self._mapped = Mapped(0, 0, 0)
        self._counted: object = None

    def publish(self, node: Watch, obstacle: Reason | None, kill_to_free: float, *, has_changed: bool) -> None:
        """Writes the status if there is news.

        Args:
            node: the watch over the node.
            obstacle: why nothing is killed here, None if it works.
            kill_to_free: seconds.
            has_changed: whether targets or memcgs have changed since the last call.
        """
        now = time.monotonic()
        facts = self._parts.census.facts(now)  # the same object while nothing has changed
        if has_changed or facts is not self._counted:
            self._counted = facts
            self._count(facts)
        status = self._status(node, obstacle, kill_to_free, now)
        self._parts.status_file.publish(status.document(self._parts.settings.pod_uid, self._boot), now, time.time())

    def _status(self, node: Watch, obstacle: Reason | None, kill_to_free: float, now: float) -> Status:
        parts, threshold = self._parts, node.below.room if node.below else None
        policy = parts.inbox.targets.policy
        better, handled = tuple(parts.chooser.reasons(policy)), parts.chooser.handled
        lost = handled.lost if handled else 0
        self.problems["handler"] = f"{lost} decisions of the OOM handler were lost: nobody read them" if lost else None
        return Status(
            policy=policy,
            audit=audit.policy if (audit := parts.inbox.targets.audit) else None,
            reasons=(*better, obstacle) if obstacle else better,
            backend="Off" if obstacle else parts.chooser.chosen(policy) or "Off",
            threshold_bytes=threshold,
            margin_bytes=node.sample.margin if node.sample else None,
            survivable_growth=int(threshold / kill_to_free) if threshold else None,
            mapped=self._mapped,
            kills=parts.ledger.kills,
            kernel_kills=parts.ledger.kernel_kills,
            disagreed=parts.ledger.disagreed,
            own_limit_kills=parts.ledger.own_limit_kills,
            budget_left=parts.budget.left(now),
            adjusted=parts.adjustments.count,
            handled=handled,
            last_decision=parts.ledger.last,
            problems=self._all_problems(),
        )

    def _count(self, facts: Facts) -> None:
        census, targets = self._parts.census, self._parts.inbox.targets
        self._mapped = mapped(census.tree, targets, facts)
        left_alone = untold(census.tree, targets, facts)
        some = f"{len(left_alone)} containers are left alone: {NOBODY_SAYS}; {left_alone[0]}" if left_alone else None
        self.problems["roles"] = some

    def _all_problems(self) -> list[str]:
        parts = self._parts
        hopeless = (
            "The last kills gave nothing back: memory is held by no process" if parts.outcasts.is_hopeless else None
        )
        stuck = parts.means.crew.sweeper.error
        sweeping = f"The last write to cgroup.kill failed: {stuck}" if stuck else None
        budget = parts.budget.exhausted(time.monotonic())
        others = (budget, parts.ledger.problem, parts.adjustments.problem, parts.census.problem, hopeless, sweeping)
        found = [*parts.inbox.problems, *others, *self.problems.values()]
        return [problem for problem in found if problem]
