"""What the guard sees to while nothing is short: descriptors to read through, oom_score_adj, disk, questions."""

import time

from oompolicy_agent.guard.gauges import Reading
from oompolicy_agent.guard.inspection import Inspection
from oompolicy_agent.guard.parts import Parts
from oompolicy_agent.guard.shaping import wanted

__all__ = ["ENFORCE", "Upkeep"]

SHAPE_AGAIN_SECONDS = 300.0
"""Usage moves all the time, but every container has to be read for it: a tenth of a second of a core with 250 pods."""
SHAPE_SOONEST_SECONDS = 1.0
"""After a change; a rollout changes something every moment."""
ENFORCE = "Enforce"


class Upkeep:
    """Does it for one guard; call it in every pass."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._inspection = Inspection(parts)
        self._is_stale = True
        self._shaped_at = float("-inf")

    def do(self, reading: Reading, *, is_on_duty: bool, may_act: bool, is_relaxed: bool, has_changed: bool) -> None:
        """Takes the pass in, and does what is due.

        Args:
            reading: of the domains, now.
            is_on_duty: whether anything at all may be decided here.
            may_act: whether the policy wants victims killed; else nothing on the node may be touched.
            is_relaxed: whether nothing is short and nobody is on the way out.
            has_changed: whether targets or memcgs have.
        """
        parts = self._parts
        self._is_stale |= has_changed
        parts.ledger.flush()
        if not may_act:
            self._let_go()
        if not is_relaxed:
            return
        parts.chooser.prepare(parts.inbox.targets, with_swap=reading.node.has_swap, is_on_duty=is_on_duty)
        self._inspection.answer(with_swap=reading.node.has_swap)
        if may_act and self._is_due(time.monotonic()):
            self._shape(reading)

    def _let_go(self) -> None:
        """Puts back what was adjusted, and shapes at once when that is wanted again."""
        self._is_stale = True
        self._parts.adjustments.restore()

    def _is_due(self, now: float) -> bool:
        age = now - self._shaped_at
        return age >= SHAPE_AGAIN_SECONDS or (self._is_stale and age >= SHAPE_SOONEST_SECONDS)

    def _shape(self, reading: Reading) -> None:
        parts = self._parts
        self._is_stale, self._shaped_at = False, time.monotonic()
        meminfo = parts.gauges.meminfo()
        targets = parts.inbox.targets
        facts = parts.chooser.measured(targets, with_swap=meminfo.swap_total > 0)
        size = min(sample.size for sample in (reading.node, reading.pods) if sample)
        parts.adjustments.apply(wanted(parts.census.tree, targets, facts, size + meminfo.swap_total))
