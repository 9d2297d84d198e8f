"""Finds out whether the guard may and can act here, and says so when that changes."""

import os
from collections.abc import Callable

from oompolicy_agent.guard.log import Log
from oompolicy_agent.guard.settings import Settings
from oompolicy_agent.guard.support import BACKEND, Reason, Support, not_allowed, probe
from oompolicy_agent.guard.targets import Policy

__all__ = ["BREAK_GLASS", "Duty"]

BREAK_GLASS = "break-glass"
"""A file of this name in the state directory makes the guard let go at once, whatever the API says."""
NO_POLICY = Reason(BACKEND, "NoPolicy", "No policy acts on this node")
POLICY_OFF = Reason(BACKEND, "PolicyOff", "The policy's mode is Off")


class Duty:
    """What keeps the guard from acting: `obstacle`, as of the last `check`."""

    def __init__(self, settings: Settings, chosen: Callable[[Policy | None], str | None], log: Log) -> None:
        """With `chosen`, which says what backend is in force under a policy, if there is one."""
        self.obstacle: Reason | None = None
        self._settings = settings
        self._chosen = chosen
        self._log = log
        self._support: Support | None = None
        self._said: tuple[Reason | None, str | None] | None = None
        self._glass = f"{settings.state_directory}/{BREAK_GLASS}"

    @property
    def can_look(self) -> bool:
        """Whether this host has the memcgs that the guard looks at, be there a policy or not."""
        return self._support is not None and self._support.obstacle is None

    def check(self, policy: Policy | None) -> None:
        """Asks again what may have changed; what the kernel has answered for good is asked once."""
        if self._support is None or not self._support.is_final:
            self._support = probe(self._settings.cgroup_root, self._settings.proc)
        self.obstacle = self._support.obstacle or self._unwanted(policy)
        found = self.obstacle, self._chosen(policy)
        if found != self._said:
            self._say(*found)
            self._said = found

    def _unwanted(self, policy: Policy | None) -> Reason | None:
        if os.path.lexists(self._glass):
            return Reason(BACKEND, "BreakGlass", f"{self._glass} is there; remove it to have the guard act again")
        if policy is None:
            return NO_POLICY
        if self._chosen(policy) is None:
            return not_allowed(BACKEND)
        return POLICY_OFF if policy.mode == "Off" else None

    def _say(self, obstacle: Reason | None, backend: str | None) -> None:
        if obstacle:
            self._log.warning("Backend is Off", reason=obstacle.reason, err=obstacle.message)
        else:
            self._log.info(f"Backend is {backend}")
