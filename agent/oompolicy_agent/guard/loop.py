"""The guard's one loop: look, decide whether to act, act, say so, sleep. Nothing may take it down."""

import time
from collections.abc import Callable
from dataclasses import replace

from oompolicy_agent.guard.agreement import agreed
from oompolicy_agent.guard.duty import Duty
from oompolicy_agent.guard.gauges import Reading
from oompolicy_agent.guard.kernel_kills import Belated
from oompolicy_agent.guard.lookout import Lookout
from oompolicy_agent.guard.order import classes
from oompolicy_agent.guard.parts import Parts
from oompolicy_agent.guard.rehearsal import Understudy
from oompolicy_agent.guard.reporter import Reporter
from oompolicy_agent.guard.settings import Limits
from oompolicy_agent.guard.support import BACKEND
from oompolicy_agent.guard.targets import Policy
from oompolicy_agent.guard.upkeep import ENFORCE, Upkeep

__all__ = ["Loop"]

BUSY_PAUSE = 0.01
"""While a victim is on its way out."""
IDLE_PAUSE = 1.0
"""While nothing can be done here at all."""
WHOLE_PASS_SECONDS = 0.95
"""A little less than the longest pause, so that a pause of a second is followed by a whole pass."""
HANDLED_SECONDS = 5.0
"""How long the kernel's kills in a pod are taken for those that our handler has decided."""
HEARD_SECONDS = 2.0
"""Within which we hear of what our handler has decided: it tells after the kernel has said on the console who died."""
FIRST_BACKOFF, LONGEST_BACKOFF = 0.1, 2.0


class Loop:
    """One guard at work."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._reporter = Reporter(parts)
        self._duty = Duty(parts.settings, parts.chooser.chosen, parts.log)
        self._lookout = Lookout(parts.settings, parts.census, parts.gauges, parts.pressure, parts.log)
        self._upkeep = Upkeep(parts)
        self._limits = parts.settings.limits
        self._tree_version = 0
        self._kernel_kills = Belated(HEARD_SECONDS)
        self._handled: dict[str, float] = {}
        """Whose death our handler has decided lately, and when we heard of it: pods by uid, memcgs by path."""
        self._backoff = FIRST_BACKOFF
        self._passed_at = float("-inf")

    @property
    def problems(self) -> dict[str, str | None]:
        """What is wrong, by topic, for the status."""
        return self._reporter.problems

    def run(self, must_stop: Callable[[], bool]) -> None:
        """Guards until it `must_stop`. An error in one pass is logged in one line, and the next pass comes soon."""
        has_news = True
        while not must_stop():
            try:
                seconds = self.step(has_news=has_news)
                self._backoff = FIRST_BACKOFF
            except Exception as error:  # noqa: BLE001 - a guard that a bug can end is no guard
                self._parts.log.error("A pass failed", **_told(error))  # noqa: TRY400 - one line, not a traceback
                seconds = self._backoff
                self._backoff = min(LONGEST_BACKOFF, self._backoff * 2)
            has_news = self._parts.pressure.sleep(seconds)

    def step(self, *, has_news: bool = True) -> float:
        """One pass; returns the seconds until the next should come.

        Between whole passes, which come every second and for every piece of news, a glance is enough while there is
        plenty of memory: it costs a quarter.
        """
        now = time.monotonic()
        if not has_news and now - self._passed_at < WHOLE_PASS_SECONDS and self._parts.enforcer.execution is None:
            seconds = self._lookout.glance()
            if seconds is not None:
                return seconds
        self._passed_at = now
        has_changed = self._take_in_news()
        reading = self._lookout.read()
        self._settle(reading)
        self._record_the_kernels_decisions()
        self._count_kernel_kills(reading)
        targets = self._parts.inbox.targets
        shortages = self._lookout.see(reading, targets.kubelet_hard_eviction_bytes, self._kill_to_free)
        had_victim = self._look_after_victim()
        if targets.policy and self._may_act(targets.policy) and not had_victim:
            # what was measured before a victim's end says nothing after it
            for shortage in shortages[:1]:
                has_decided = self._parts.enforcer.act(shortage, targets, targets.policy)
                if has_decided and targets.audit:
                    self._parts.shadow.decide(shortage, targets.audit)
        self._see_to(reading, has_changed=has_changed)
        self._publish(has_changed=has_changed)
        return self._pause()

    def warm_up(self, understudy: Understudy | None = None) -> None:
        """Does once all that a crisis needs, so that nothing is done for the first time then.

        Args:
            understudy: dies in the place of a victim.
        """
        try:
            self.step()
            self._rehearse(understudy)
        except Exception as error:  # noqa: BLE001 - the passes that follow will say more
            self._parts.log.error("The rehearsal failed", **_told(error))  # noqa: TRY400 - one line, not a traceback

    @property
    def _kill_to_free(self) -> float:
        return self._parts.enforcer.kill_to_free_seconds or self._parts.settings.limits.kill_to_free_seconds

    def _take_in_news(self) -> bool:
        """Takes in what changed: targets, policy, memcgs; whether anything did."""
        parts = self._parts
        parts.folders.take()
        has_changed = parts.inbox.refresh()
        policy = parts.inbox.targets.policy
        self._obey(self._limits_under(policy))
        self._duty.check(policy)
        if self._duty.can_look:
            parts.census.follow(parts.inbox.targets.host_paths)
            parts.census.refresh(time.monotonic())
            parts.inbox.identify(parts.census)
        if parts.census.version != self._tree_version:
            self._tree_version, has_changed = parts.census.version, True
            parts.kernel_kills.adopt(parts.census.tree, parts.census.top)
            self._lookout.adopt_tree()
        if self._duty.obstacle is None:
            self._lookout.arm()
        return has_changed

    def _limits_under(self, policy: Policy | None) -> Limits:
        limits = policy.limits if policy else self._parts.settings.limits
        return limits if self._parts.chooser.acts_early(policy) else limits.only_before_kubelet

    def _settle(self, reading: Reading) -> None:
        """Has the OOM handler come or go at once, also while memory is short: until then two decide, or another one."""
        parts, targets = self._parts, self._parts.inbox.targets
        if self._duty.obstacle is None and not parts.chooser.is_settled(targets.policy):
            parts.chooser.prepare(targets, with_swap=reading.node.has_swap)
            self._obey(self._limits_under(targets.policy))

    def _obey(self, limits: Limits) -> None:
        """Goes by the policy's numbers."""
        if limits == self._limits:
            return
        self._limits = limits
        self._lookout.obey(limits)
        self._parts.pressure.obey(limits)
        self._parts.gauges.limits = limits
        self._parts.budget.limits = limits

    def _rehearse(self, understudy: Understudy | None) -> None:
        parts = self._parts
        if not self._duty.can_look:
            return
        choice = parts.chooser.rehearse(parts.inbox.targets)
        if choice and self._duty.obstacle is None:
            parts.log.info("Would choose now", cgroup=choice.victim.path, why=choice.why)
        if understudy:
            start = time.monotonic()
            self.problems["rehearsal"] = problem = understudy.perform(parts.means, parts.census.home)
            milliseconds = int((time.monotonic() - start) * 1000)
            parts.log.info("Rehearsed a kill", milliseconds=milliseconds, err=problem)

    def _may_act(self, policy: Policy) -> bool:
        return self._duty.obstacle is None and self._parts.chooser.own(policy) is not None

    def _record_the_kernels_decisions(self) -> None:
        """What our handler has decided inside the OOM killer."""
        parts, now = self._parts, time.monotonic()
        for decision in parts.chooser.decided(parts.inbox.targets):
            victim = decision.victim
            if victim and decision.outcome == "Killed":
                self._handled[victim.owner] = now
                pod = parts.inbox.targets.pods.get(victim.pod_uid)
                evict = pod is not None and (pod.is_evicted or parts.budget.keeps_coming_back(now, victim.owner))
                parts.budget.spend(now, victim.owner)
                decision = replace(decision, evict=evict)  # noqa: PLW2901 - the same with what the policy wants done
            parts.ledger.kernel_decided(decision)
        self._handled = {owner: at for owner, at in self._handled.items() if now - at < HANDLED_SECONDS}

    def _count_kernel_kills(self, reading: Reading) -> None:
        """Where our handler decides, some seconds later: the kernel counts a kill before we hear of it."""
        parts = self._parts
        targets, census = parts.inbox.targets, parts.census
        belated = self._kernel_kills.seen(time.monotonic(), reading.kernel_kills)
        total = reading.kernel_kills if parts.chooser.acts_early(targets.policy) else belated
        for kill in parts.kernel_kills.since_last(total, census.tree, census.top):
            if kill.pod.pod_uid in self._handled if kill.pod else self._handled:
                continue  # of nobody's are those of the host, and of a pod that has gone meanwhile
            order = classes(census.tree, targets, census.facts(time.monotonic()))
            would_too = agreed(kill, order, targets, parts.means.cgroups.is_populated) if targets.policy else None
            parts.enforcer.kernel_killed(kill.count)
            parts.ledger.kernel_killed(kill, targets, parts.chooser.chosen(targets.policy) or BACKEND, agreed=would_too)

    def _look_after_victim(self) -> bool:
        """Whether there is or was one in this pass."""
        enforcer = self._parts.enforcer
        watch = self._lookout.over(enforcer.domain)
        if enforcer.execution is None:
            return False
        margin = watch.sample.margin if watch.sample else 0  # a domain without a limit: its memcg alone tells
        if enforcer.look(margin, must_hurry=watch.seconds_left < self._kill_to_free):
            self._lookout.restart()
        return True

    def _see_to(self, reading: Reading, *, has_changed: bool) -> None:
        """What has time until nothing is short."""
        policy = self._parts.inbox.targets.policy
        is_relaxed = self._parts.enforcer.execution is None and self._lookout.is_relaxed
        if is_relaxed:
            self._parts.enforcer.relax()
        is_on_duty = self._duty.obstacle is None
        may_act = is_on_duty and policy is not None and policy.mode == ENFORCE
        if not is_on_duty:
            self._parts.chooser.let_go()
        self._upkeep.do(reading, is_on_duty=is_on_duty, may_act=may_act, is_relaxed=is_relaxed, has_changed=has_changed)

    def _publish(self, *, has_changed: bool) -> None:
        self.problems.update(self._lookout.problems)
        self._reporter.publish(self._lookout.node, self._duty.obstacle, self._kill_to_free, has_changed=has_changed)

    def _pause(self) -> float:
        if self._parts.enforcer.execution:
            return BUSY_PAUSE
        return IDLE_PAUSE if self._duty.obstacle else self._lookout.pause


def _told(error: BaseException) -> dict[str, str]:
    """The error and its innermost line, without the traceback module: nothing is imported when memory is short."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    at = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
    return {"err": f"{type(error).__name__}: {error}", "at": at}
