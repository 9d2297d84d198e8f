"""Who chooses: the first backend that the policy allows and that works here; a scan of cgroupfs always does."""

import time

from oompolicy_agent.guard.assist import Assist
from oompolicy_agent.guard.assist_chooser import AssistChooser
from oompolicy_agent.guard.assist_load import Loaded, RefusedError
from oompolicy_agent.guard.chooser import Choice, Chooser
from oompolicy_agent.guard.gauges import NODE
from oompolicy_agent.guard.layout import Kind
from oompolicy_agent.guard.log import Log
from oompolicy_agent.guard.snapshot import Facts
from oompolicy_agent.guard.support import ASSIST, BACKEND, HOOK, Reason, not_allowed
from oompolicy_agent.guard.targets import Policy, Targets

__all__ = ["NO_HOOK", "Backends"]

BEST_FIRST = (HOOK, ASSIST, BACKEND)
CHECK_SECONDS = 5.0
"""How soon it is noticed that the kernel chooses no more."""
RETRY_SECONDS = 60.0
"""After which what has failed is tried again, while nothing is short."""
NO_HOOK = Reason(HOOK, "NotBuiltIn", "This agent has no KernelHook backend yet")


class Backends:
    """A chooser, like those that it has."""

    def __init__(self, plain: Chooser, log: Log) -> None:
        self.census = plain.census
        self.backend = plain.backend
        """Who has chosen the last time."""
        self._plain = plain
        self._assist: AssistChooser | None = None
        self._checked_at = self._failed_at = float("-inf")
        self._log = log
        self._reasons = {HOOK: NO_HOOK, ASSIST: Reason(ASSIST, "NotLoaded", "Nobody has asked for it")}
        """Why not, of those that do not work."""

    def adopt(self, found: Loaded | RefusedError) -> None:
        """Takes the program for KernelAssist; where it could not be loaded, says why."""
        if isinstance(found, Loaded):
            self._assist = AssistChooser(self._plain, Assist(found))
            del self._reasons[ASSIST]
            return
        self._reasons[ASSIST] = found.as_reason
        self._log.info("Could not load KernelAssist", reason=found.as_reason.reason, err=found.text)

    def chosen(self, policy: Policy | None) -> str | None:
        """The backend in force under the policy; None: none that it allows works here."""
        allowed = (policy and policy.backends) or BEST_FIRST
        return next((name for name in allowed if name in BEST_FIRST and name not in self._reasons), None)

    def reasons(self, policy: Policy | None) -> list[Reason]:
        """Why not each backend that is better than the one in force."""
        chosen = self.chosen(policy) or BACKEND
        better = BEST_FIRST[: BEST_FIRST.index(chosen)]
        return [
            not_allowed(name) if policy and not policy.allows(name) else self._reasons.get(name) or not_preferred(name)
            for name in better
        ]

    def prepare(self, targets: Targets, *, with_swap: bool) -> None:
        """Does beforehand what a choice needs, and notices when a backend works no more."""
        self._try_again(targets)
        if (assist := self._in_force(targets)) and targets.policy:
            try:
                assist.prepare(targets)
                if (now := time.monotonic()) - self._checked_at >= CHECK_SECONDS:
                    self._checked_at = now
                    assist.check(targets.policy)
            except OSError as error:
                self._give_up(error)
            else:
                return
        self._plain.prepare(targets, with_swap=with_swap)

    def measured(self, targets: Targets, *, with_swap: bool) -> Facts:
        """What is known of everybody on the node, with usage."""
        if assist := self._in_force(targets):
            try:
                return assist.measured(targets, with_swap=with_swap)
            except OSError as error:
                self._give_up(error)
        containers = [place for place in self.census.tree if place.kind is Kind.CONTAINER]
        return self.census.measured(self.census.facts(time.monotonic()), containers, with_swap=with_swap)[0]

    def choose(
        self, targets: Targets, domain: str, *, with_swap: bool, excluded: frozenset[int], futile: frozenset[str]
    ) -> Choice | None:
        """As Chooser. What the kernel refuses at the last moment is chosen by a scan, if the policy allows one."""
        if assist := self._in_force(targets):
            self.backend = ASSIST
            try:
                return assist.choose(targets, domain, with_swap=with_swap, excluded=excluded, futile=futile)
            except OSError as error:
                self._give_up(error)
                if targets.policy and not targets.policy.allows(BACKEND):
                    return None
        self.backend = BACKEND
        return self._plain.choose(targets, domain, with_swap=with_swap, excluded=excluded, futile=futile)

    def rehearse(self, targets: Targets) -> Choice | None:
        """Chooses for nothing, by each that may have to: nothing should be done for the first time in a crisis."""
        choice = self._plain.choose(targets, NODE, with_swap=True, excluded=frozenset(), futile=frozenset())
        if self._in_force(targets):
            choice = self.choose(targets, NODE, with_swap=True, excluded=frozenset(), futile=frozenset())
        return choice

    def _in_force(self, targets: Targets) -> AssistChooser | None:
        return self._assist if self.chosen(targets.policy) == ASSIST else None

    def _give_up(self, error: OSError) -> None:
        self._reasons[ASSIST] = Reason(ASSIST, "Failed", f"It worked, and then failed: {error}")
        self._failed_at = time.monotonic()
        self._log.error("KernelAssist works no more", err=str(error))

    def _try_again(self, targets: Targets) -> None:
        """Whether what has failed works again: a map that was full may have room by now."""
        if self._assist is None or ASSIST not in self._reasons or targets.policy is None:
            return
        if time.monotonic() - self._failed_at < RETRY_SECONDS or not targets.policy.allows(ASSIST):
            return
        self._failed_at = time.monotonic()
        try:
            self._assist.prepare(targets)
            self._assist.check(targets.policy)
        except OSError:  # the reason stays what it was
            return
        del self._reasons[ASSIST]
        self._log.info("KernelAssist works again")


def not_preferred(backend: str) -> Reason:
    """A policy has a worse one before it in its `backends`."""
    return Reason(backend, "NotPreferred", "The policy's spec.backends have another one before it")
