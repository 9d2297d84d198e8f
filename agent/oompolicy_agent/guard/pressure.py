"""Sleeps until it is time to look again, woken early by memory pressure (PSI triggers), news or a signal.

A trigger is one descriptor that the kernel watches ten times per window and that becomes ready at most once per window.
Creating one may fork a kernel thread, so they are created when nothing is short, never in a crisis. The same descriptor
tells how long everybody has been stalled since boot.
"""

import contextlib
import os
import re
import select
import time
from collections import deque
from dataclasses import dataclass, field

from oompolicy_agent.guard.settings import Limits

__all__ = ["Pressure"]

_FULL = re.compile(rb"^full .*total=(\d+)", re.MULTILINE)
_LARGEST = 512
"""Bytes: a pressure file has two lines of sixty."""


@dataclass(slots=True)
class _Trigger:
    """One armed trigger."""

    descriptor: int
    path: str
    inode: int
    totals: deque[tuple[float, int]] = field(default_factory=deque)
    """Times, and microseconds of full stall since boot by then, over the last window or a little more."""
    fired: float = float("-inf")


class Pressure:
    """PSI triggers by domain, and the one place where the guard sleeps."""

    def __init__(self, limits: Limits, wake: int) -> None:
        self._limits = limits
        self._poll = select.poll()
        self._poll.register(wake, select.POLLIN)
        self._wake = wake
        self._triggers: dict[str, _Trigger] = {}

    def obey(self, limits: Limits) -> None:
        """Goes by other numbers; triggers that ask for something else are dropped and have to be armed again."""
        before, self._limits = self._limits, limits
        if _request(before) != _request(limits):
            for domain in list(self._triggers):
                self.disarm(domain)

    def also_wake(self, descriptor: int) -> None:
        """Wakes up when `descriptor` has something to read; whoever owns it must read it in every pass."""
        self._poll.register(descriptor, select.POLLIN)

    def arm(self, domain: str, path: str) -> None:
        """Watches a pressure file (/proc/pressure/memory or a memcg's memory.pressure); raises OSError.

        Needs CAP_SYS_RESOURCE, because the window is not a multiple of two seconds.
        """
        inode = os.stat(path).st_ino  # noqa: PTH116 - pathlib is not worth its memory in the guard
        trigger = self._triggers.get(domain)
        if trigger and (trigger.path, trigger.inode) == (path, inode):
            return
        self.disarm(domain)
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            os.write(descriptor, _request(self._limits))
        except OSError:
            os.close(descriptor)
            raise
        self._poll.register(descriptor, select.POLLPRI)
        self._triggers[domain] = _Trigger(descriptor, path, inode)

    def disarm(self, domain: str) -> None:
        """Stops watching; the kernel drops the trigger with its descriptor."""
        if trigger := self._triggers.pop(domain, None):
            self._poll.unregister(trigger.descriptor)
            os.close(trigger.descriptor)

    def sleep(self, seconds: float) -> bool:
        """Until the time is over or something fires; returns whether something did."""
        ready = self._poll.poll(max(1, int(seconds * 1000)))
        for descriptor, events in ready:
            if descriptor == self._wake:
                with contextlib.suppress(BlockingIOError):
                    os.read(descriptor, 512)
                continue
            domain = next((name for name, one in self._triggers.items() if one.descriptor == descriptor), None)
            if domain and events & (select.POLLERR | select.POLLNVAL):  # its memcg is gone
                self.disarm(domain)
            elif domain:
                self._triggers[domain].fired = time.monotonic()
        return bool(ready)

    def stall_milliseconds(self, domain: str, now: float) -> int:
        """Full stall in the last window: as measured between looks, or what the trigger waits for if it fired."""
        if (trigger := self._triggers.get(domain)) is None:
            return 0
        window = self._limits.window_milliseconds / 1000
        totals = trigger.totals
        totals.append((now, _full_stall(trigger.descriptor)))
        while now - totals[0][0] > window:
            totals.popleft()
        measured = (totals[-1][1] - totals[0][1]) // 1000
        has_fired = now - trigger.fired <= window
        return max(measured, self._limits.stall_milliseconds if has_fired else 0)


def _request(limits: Limits) -> bytes:
    return f"full {limits.stall_milliseconds * 1000} {limits.window_milliseconds * 1000}\0".encode()


def _full_stall(descriptor: int) -> int:
    """Microseconds since boot; 0 if the memcg is gone."""
    try:
        found = _FULL.search(os.pread(descriptor, _LARGEST, 0))
    except OSError:
        return 0
    return int(found[1]) if found else 0
