"""Keeps the OOM handler in force while a policy wants it, and goes on telling it until when.

It is told a quarter of an hour at a time: when the guard has died for good, the policy holds as long as that, and then
the kernel decides alone. Nothing rules for ever.
"""

import os
import resource
import time

from oompolicy_agent.guard.hook import Hook
from oompolicy_agent.guard.hook_abi import Counts, Mode, Terms, Verdict
from oompolicy_agent.guard.targets import Policy

__all__ = ["HookKeeper"]

VALID_SECONDS, RENEW_SECONDS = 900, 60
SECOND = 10**9
MODES = {"Enforce": Mode.ENFORCE, "Audit": Mode.AUDIT}


class HookKeeper:
    """One handler on one host. Every method raises OSError when the kernel does not do as it is asked."""

    def __init__(self, hook: Hook, cgroup_root: str) -> None:
        self.is_in_force: bool | None = None
        """None: that of an earlier guard may be."""
        self._hook = hook
        self._cgroup_root = cgroup_root
        self._told: tuple[Policy, bool] | None = None
        self._told_at = float("-inf")
        self._unread: list[Verdict] = []

    @property
    def descriptor(self) -> int:
        """Readable when it has decided something."""
        return self._hook.descriptor

    @property
    def counts(self) -> Counts | None:
        """How often it was asked since it was put in force; None while it is not."""
        return self._hook.counts if self.is_in_force else None

    def keep(self, policy: Policy, *, with_swap: bool) -> None:
        """Has it decide by this policy; costs next to nothing unless there is something to say."""
        now, wanted = time.monotonic(), (policy, with_swap)
        if self.is_in_force and self._told == wanted and now - self._told_at < RENEW_SECONDS:
            return
        self._put_in_force(_terms(policy, with_swap=with_swap))
        self._told, self._told_at = wanted, now

    def let_go(self) -> None:
        """Takes it out of force, whoever has put it there, and leaves nothing."""
        self._unread += self._hook.withdraw()
        self.is_in_force, self._told = False, None

    def take(self) -> list[Verdict]:
        """What was decided since the last call, also while no guard was there."""
        found, self._unread = self._unread, []
        return [*found, *self._hook.read()] if self.is_in_force else found

    def _put_in_force(self, terms: Terms) -> None:
        """Also if it is: somebody may have taken its link away, or emptied bpffs."""
        self.is_in_force = None
        root = os.open(self._cgroup_root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._unread += self._hook.put_in_force(root, terms)
        finally:
            os.close(root)
        self.is_in_force = True


def _terms(policy: Policy, *, with_swap: bool) -> Terms:
    """A mode that is none of these has the handler stand aside."""
    return Terms(
        mode=MODES.get(policy.mode, Mode.OFF),
        valid_until=time.clock_gettime_ns(time.CLOCK_BOOTTIME) + VALID_SECONDS * SECOND,
        default_priority=policy.default_priority,
        tie_break=policy.tie_break,
        swap_page_bytes=resource.getpagesize() if with_swap else 0,
    )
