"""A policy in mode Audit beside the one that enforces: at the same triggers it decides too, and touches nothing.

It decides right after the other has: nothing may delay a kill. What that kill has freed by then is not much.
"""

from collections.abc import Callable
from dataclasses import replace

from oompolicy_agent.guard.chooser import Chooser
from oompolicy_agent.guard.ledger import Ledger, drafted
from oompolicy_agent.guard.targets import Policy, Targets
from oompolicy_agent.guard.watch import Shortage

__all__ = ["Shadow"]

NOBODY: frozenset[int] = frozenset()
NOTHING: frozenset[str] = frozenset()


class Shadow:
    """Decides for the record, by a scan of cgroupfs: it has time, and every backend would come to the same."""

    def __init__(self, chooser: Chooser, chosen: Callable[[Policy | None], str | None], ledger: Ledger) -> None:
        """`chosen` says which backend a policy would have here."""
        self._chooser = chooser
        self._chosen = chosen
        self._ledger = ledger

    def decide(self, shortage: Shortage, targets: Targets) -> None:
        """Records whom the policy of `targets` would have killed."""
        if (policy := targets.policy) is None or self._chosen(policy) is None:
            return
        choice = self._chooser.choose(
            targets, shortage.domain, with_swap=shortage.sample.has_swap, excluded=NOBODY, futile=NOTHING
        )
        decision = drafted(shortage, policy, choice, self._chooser.backend)
        if choice:
            self._ledger.close(replace(decision, outcome="WouldKill"), choice)
        else:
            self._ledger.nothing_eligible(replace(decision, outcome="NothingEligible"))
