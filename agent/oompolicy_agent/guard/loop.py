"""The guard's one loop: look, decide whether to act, act, say so, sleep. Nothing may take it down."""

import time
from collections.abc import Callable

from oompolicy_agent.guard.gauges import NODE, Reading
from oompolicy_agent.guard.parts import Parts
from oompolicy_agent.guard.reporter import Reporter
from oompolicy_agent.guard.support import BACKEND, Reason, Support, probe
from oompolicy_agent.guard.targets import Policy
from oompolicy_agent.guard.watch import Shortage, Watch

__all__ = ["Loop"]

BUSY_PAUSE = 0.01
"""While a victim is on its way out."""
IDLE_PAUSE = 1.0
"""While nothing can be done here at all."""
FIRST_BACKOFF, LONGEST_BACKOFF = 0.1, 2.0
NO_POLICY = Reason(BACKEND, "NoPolicy", "No policy acts on this node")
POLICY_OFF = Reason(BACKEND, "PolicyOff", "The policy's mode is Off")


class Loop:
    """One guard at work."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._reporter = Reporter(parts)
        self._support: Support | None = None
        self._obstacle: Reason | None = None
        self._has_said_backend = False
        self._node = Watch(NODE, parts.settings.limits)
        self._pods: Watch | None = None
        self._tree_version = 0
        self._backoff = FIRST_BACKOFF

    @property
    def problems(self) -> dict[str, str | None]:
        """What is wrong, by topic, for the status."""
        return self._reporter.problems

    def run(self, must_stop: Callable[[], bool]) -> None:
        """Guards until it `must_stop`. An error in one pass is logged in one line, and the next pass comes soon."""
        while not must_stop():
            try:
                seconds = self.step()
                self._backoff = FIRST_BACKOFF
            except Exception as error:  # noqa: BLE001 - a guard that a bug can end is no guard
                self._parts.log.error("A pass failed", **_told(error))  # noqa: TRY400 - one line, not a traceback
                seconds = self._backoff
                self._backoff = min(LONGEST_BACKOFF, self._backoff * 2)
            self._parts.pressure.sleep(seconds)

    def step(self) -> float:
        """One pass; returns the seconds until the next should come."""
        parts, now = self._parts, time.monotonic()
        has_changed = parts.inbox.refresh()
        obstacle = self._find_obstacle(parts.inbox.targets.policy)
        if self._support and self._support.obstacle is None:
            parts.census.refresh(now)
        if parts.census.version != self._tree_version:
            self._tree_version, has_changed = parts.census.version, True
            self._adopt_tree()
        if obstacle is None:
            self._arm()
        reading = parts.gauges.read(self._pods.domain if self._pods else None, parts.census.may_swap)
        self._count_kernel_kills(reading)
        shortages = self._see(reading)
        had_victim = self._look_after_victim()
        policy = parts.inbox.targets.policy
        if policy and obstacle is None and not had_victim:  # what was measured before its end says nothing after it
            for shortage in shortages[:1]:
                parts.enforcer.act(shortage, parts.inbox.targets, policy)
        if not shortages:
            self._rest()
        self._reporter.publish(self._node, obstacle, self._kill_to_free, has_changed=has_changed)
        return self._pause(obstacle)

    def warm_up(self) -> None:
        """Does once all that a crisis needs, except for the kill, so that nothing is done for the first time then."""
        try:
            self.step()
            self._rehearse()
        except Exception as error:  # noqa: BLE001 - the passes that follow will say more
            self._parts.log.error("The rehearsal failed", **_told(error))  # noqa: TRY400 - one line, not a traceback

    @property
    def _kill_to_free(self) -> float:
        return self._parts.enforcer.kill_to_free_seconds or self._parts.settings.limits.kill_to_free_seconds

    def _rehearse(self) -> None:
        if self._support is None or self._support.obstacle:
            return
        targets = self._parts.inbox.targets
        choice = self._parts.chooser.choose(targets, NODE, with_swap=True, excluded=frozenset(), futile=frozenset())
        if choice and self._obstacle is None:
            self._parts.log.info("Would choose now", cgroup=choice.victim.path, why=choice.why)

    def _find_obstacle(self, policy: Policy | None) -> Reason | None:
        """Why nothing may or can be killed here; says so when it changes."""
        if self._support is None or not self._support.is_final:
            self._support = probe(self._parts.settings.cgroup_root, self._parts.settings.proc)
        obstacle = self._support.obstacle or _unwanted(policy)
        if obstacle != self._obstacle or not self._has_said_backend:
            self._say_backend(obstacle)
        self._obstacle = obstacle
        return obstacle

    def _say_backend(self, obstacle: Reason | None) -> None:
        self._has_said_backend = True
        if obstacle:
            self._parts.log.warning("Backend is Off", reason=obstacle.reason, err=obstacle.message)
        else:
            self._parts.log.info("Backend is Userspace")

    def _adopt_tree(self) -> None:
        """Follows what holds all pods, wherever it is now."""
        parts, top = self._parts, self._parts.census.top
        parts.kernel_kills.adopt(parts.census.pods, top)
        if self._pods and (top is None or top.path != self._pods.domain):
            parts.pressure.disarm(self._pods.domain)
            self._pods = None
        if top and self._pods is None:
            self._pods = Watch(top.path, parts.settings.limits)

    def _arm(self) -> None:
        """Sees to a pressure trigger for each domain, as long as anything may be killed."""
        settings = self._parts.settings
        self._arm_one(NODE, f"{settings.proc}/pressure/memory")
        if self._pods:
            self._arm_one(self._pods.domain, f"{settings.cgroup_root}{self._pods.domain}/memory.pressure")

    def _arm_one(self, domain: str, path: str) -> None:
        """Margin and growth lead, so a trigger that cannot be had is a problem and no obstacle."""
        try:
            self._parts.pressure.arm(domain, path)
            self.problems[domain] = None
        except OSError as error:
            problem = f"No pressure trigger on {path}: {error.strerror}"
            if self.problems.get(domain) != problem:
                self._parts.log.warning("Could not create a pressure trigger", path=path, err=error.strerror)
            self.problems[domain] = problem

    def _count_kernel_kills(self, reading: Reading) -> None:
        parts = self._parts
        for kill in parts.kernel_kills.since_last(reading.kernel_kills, parts.census.pods, parts.census.top):
            parts.enforcer.kernel_killed(kill.count)
            parts.ledger.kernel_killed(kill, parts.inbox.targets.policy, parts.inbox.targets)

    def _see(self, reading: Reading) -> list[Shortage]:
        """The shortages, the narrower domain first: what the pods' own limit causes is no shortage of the node."""
        hard = self._parts.inbox.targets.kubelet_hard_eviction_bytes
        seen = [self._node.see(reading.node, hard, self._kill_to_free)]
        if self._pods and reading.pods:
            seen.insert(0, self._pods.see(reading.pods, None, self._kill_to_free))
        elif self._pods:
            self._pods.forget()
        return [shortage for shortage in seen if shortage]

    def _look_after_victim(self) -> bool:
        """Whether there is or was one in this pass."""
        enforcer = self._parts.enforcer
        watch = self._pods if self._pods and enforcer.domain == self._pods.domain else self._node
        if enforcer.execution is None or watch.sample is None:
            return False
        enforcer.look(watch.sample.margin)
        return True

    def _rest(self) -> None:
        """What has time until nothing is short."""
        if self._parts.enforcer.execution:
            return
        self._parts.ledger.flush()
        if self._node.is_relaxed and (self._pods is None or self._pods.is_relaxed):
            self._parts.enforcer.relax()

    def _pause(self, obstacle: Reason | None) -> float:
        if self._parts.enforcer.execution:
            return BUSY_PAUSE
        if obstacle:
            return IDLE_PAUSE
        return min(self._node.pause, self._pods.pause if self._pods else IDLE_PAUSE)


def _unwanted(policy: Policy | None) -> Reason | None:
    if policy is None:
        return NO_POLICY
    return POLICY_OFF if policy.mode == "Off" else None


def _told(error: BaseException) -> dict[str, str]:
    """The error and its innermost line, without the traceback module: nothing is imported when memory is short."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    at = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
    return {"err": f"{type(error).__name__}: {error}", "at": at}
