"""Who chooses: the first backend that the policy allows and that works here; a scan of cgroupfs always does."""

import time

from oompolicy_agent.guard.assist import Assist
from oompolicy_agent.guard.assist_chooser import AssistChooser
from oompolicy_agent.guard.assist_load import Loaded, RefusedError
from oompolicy_agent.guard.chooser import Choice, Chooser
from oompolicy_agent.guard.gauges import NODE
from oompolicy_agent.guard.hook import DIRECTORY, Hook, withdraw
from oompolicy_agent.guard.hook_abi import Counts
from oompolicy_agent.guard.hook_keeper import HookKeeper
from oompolicy_agent.guard.hook_records import decided, wall_time
from oompolicy_agent.guard.layout import Kind
from oompolicy_agent.guard.log import Log
from oompolicy_agent.guard.records import Decision
from oompolicy_agent.guard.snapshot import Facts
from oompolicy_agent.guard.support import ASSIST, BACKEND, HOOK, NO_HOOK, Reason, not_allowed
from oompolicy_agent.guard.targets import Policy, Targets

__all__ = ["Backends"]

BEST_FIRST = (HOOK, ASSIST, BACKEND)
OWN = (ASSIST, BACKEND)
KERNELS = (HOOK, ASSIST)
"""Those that the kernel has to be told of everybody for."""
FAILED = "Failed"
CHECK_SECONDS = 5.0
"""How soon it is noticed that the kernel chooses no more."""
RETRY_SECONDS = 60.0
"""After which what has failed is tried again, while nothing is short."""


class Backends:
    """A chooser, like those that it has."""

    def __init__(self, plain: Chooser, log: Log, host_root: str = "") -> None:
        self.census = plain.census
        self.backend = plain.backend
        """Who has chosen the last time."""
        self._plain = plain
        self._assist: AssistChooser | None = None
        self._keeper: HookKeeper | None = None
        self._host_root = host_root
        self._checked_at = self._let_go_at = float("-inf")
        self._has_withdrawn = False
        """Whether the handler of an earlier guard is certainly gone, where this one has none of its own."""
        self._failed_at: dict[str, float] = {}
        self._log = log
        not_loaded = "Nobody has asked for it"
        self._reasons = {name: Reason(name, "NotLoaded", not_loaded) for name in (HOOK, ASSIST)}
        """Why not, of those that do not work."""

    def adopt(self, found: Loaded | RefusedError) -> None:
        """Takes the programs for the kernel; where they could not be loaded, says why."""
        if isinstance(found, RefusedError):
            self._reasons = {name: Reason(name, found.reason, str(found)) for name in (HOOK, ASSIST)}
            self._log.info("Could not load the BPF programs", reason=found.reason, err=found.text)
            return
        self._assist = AssistChooser(self._plain, Assist(found))
        del self._reasons[ASSIST]
        if found.hook is None:
            self._reasons[HOOK] = NO_HOOK
            return
        hook = Hook(found.hook, self._host_root + DIRECTORY)
        self._keeper = HookKeeper(hook, self._plain.cgroups.root)
        del self._reasons[HOOK]

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

    @property
    def descriptors(self) -> list[int]:
        """Readable when there is something for `decided`."""
        return [self._keeper.descriptor] if self._keeper else []

    @property
    def handled(self) -> Counts | None:
        """How often the OOM handler was asked, and what came of it; None: it is not in force."""
        return self._keeper.counts if self._keeper else None

    def acts_early(self, policy: Policy | None) -> bool:
        """Whether the guard has to act before the kernel must: not where the kernel asks our handler."""
        return self.chosen(policy) != HOOK or self._keeper is None or not self._keeper.is_in_force

    def is_settled(self, policy: Policy | None) -> bool:
        """Whether the OOM handler is in force if it should be, and is not if it should not."""
        return self._keeper is None or self._keeper.is_in_force is (self.chosen(policy) == HOOK)

    def own(self, policy: Policy | None) -> str | None:
        """The backend by which the guard itself chooses, when it acts; None: the policy allows none that works."""
        allowed = (policy and policy.backends) or BEST_FIRST
        return next((name for name in allowed if name in OWN and name not in self._reasons), None)

    def prepare(self, targets: Targets, *, with_swap: bool, is_on_duty: bool = True) -> None:
        """Does beforehand what a choice needs, and notices when a backend works no more.

        A guard that is not on duty (the policy is Off, somebody has broken the glass) only keeps knowing everybody.
        """
        if not is_on_duty:
            self.let_go()
            self._plain.prepare(targets, with_swap=with_swap)
            return
        self._try_again(targets, with_swap=with_swap)
        chosen = self.chosen(targets.policy)
        if chosen != HOOK:
            self.let_go()
        if chosen in KERNELS and self._is_told(chosen, targets, with_swap=with_swap):
            return
        self._plain.prepare(targets, with_swap=with_swap)

    def let_go(self) -> None:
        """Takes the OOM handler out of force, if one may be: nobody wants it, or another backend is to decide."""
        now = time.monotonic()
        if self._is_let_go or now - self._let_go_at < CHECK_SECONDS:
            return
        self._let_go_at = now
        try:
            if self._keeper:
                self._keeper.let_go()
            else:
                withdraw(self._host_root + DIRECTORY)
                self._has_withdrawn = True
        except OSError as error:
            self._log.error("Could not take the OOM handler out of force", err=str(error))
        else:
            self._let_go_at = float("-inf")

    @property
    def _is_let_go(self) -> bool:
        return self._keeper.is_in_force is False if self._keeper else self._has_withdrawn

    def decided(self, targets: Targets) -> list[Decision]:
        """What the OOM handler has decided since the last call, oldest first."""
        if self._keeper is None:
            return []
        verdicts = self._keeper.take()
        now, boot = time.time(), time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        places = {place.id: place for place in self.census.tree} if verdicts else {}
        found = []
        for verdict in verdicts:
            domain = places[verdict.domain].path if verdict.domain in places else NODE
            seen = self._assist.seen(targets, domain, verdict.number) if self._assist else None
            found.append(decided(verdict, wall_time(verdict, now, boot), places, targets, seen))
        return found

    def measured(self, targets: Targets, *, with_swap: bool) -> Facts:
        """What is known of everybody on the node, with usage."""
        chosen = self.chosen(targets.policy)
        if self._assist and chosen in KERNELS:
            try:
                return self._assist.measured(targets, with_swap=with_swap)
            except OSError as error:
                self._give_up(chosen, error)
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
                self._give_up(ASSIST, error)
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
        return self._assist if self.own(targets.policy) == ASSIST else None

    def _is_told(self, chosen: str, targets: Targets, *, with_swap: bool) -> bool:
        """Has the kernel told all that it needs; whether it took it."""
        try:
            self._tell(chosen, targets, with_swap=with_swap)
        except OSError as error:
            self._give_up(chosen, error)
            return False
        return True

    def _tell(self, chosen: str, targets: Targets, *, with_swap: bool) -> None:
        if self._assist is None or targets.policy is None:
            return
        self._assist.prepare(targets)
        if chosen == HOOK and self._keeper:
            self._keeper.keep(targets.policy, with_swap=with_swap)
        elif (now := time.monotonic()) - self._checked_at >= CHECK_SECONDS:
            self._checked_at = now
            self._assist.check(targets.policy)

    def _give_up(self, backend: str, error: OSError) -> None:
        self._reasons[backend] = Reason(backend, FAILED, f"It worked, and then failed: {error}")
        self._failed_at[backend] = time.monotonic()
        self._log.error(f"{backend} works no more", err=str(error))

    def _try_again(self, targets: Targets, *, with_swap: bool) -> None:
        """Whether what has failed works again: a map that was full may have room by now."""
        policy, now = targets.policy, time.monotonic()
        for backend, reason in list(self._reasons.items()):
            is_due = reason.reason == FAILED and now - self._failed_at[backend] >= RETRY_SECONDS
            if policy is None or not is_due or not policy.allows(backend):
                continue
            self._failed_at[backend], self._checked_at = now, float("-inf")
            try:
                self._tell(backend, targets, with_swap=with_swap)
            except OSError:  # the reason stays what it was
                continue
            del self._reasons[backend]
            self._log.info(f"{backend} works again")


def not_preferred(backend: str) -> Reason:
    """A policy has a worse one before it in its `backends`."""
    return Reason(backend, "NotPreferred", "The policy's spec.backends have another one before it")
