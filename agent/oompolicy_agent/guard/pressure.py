"""Sleeps until it is time to look again, woken early by memory pressure (PSI triggers) or by a signal.

A trigger is one descriptor that the kernel watches ten times per window and that becomes ready at most once per window.
Creating one may fork a kernel thread, so they are created when nothing is short, never in a crisis.
"""

import contextlib
import os
import select
import time

from oompolicy_agent.guard.settings import Limits

__all__ = ["Pressure"]

NODE = "/"


class Pressure:
    """PSI triggers by domain, and the one place where the guard sleeps."""

    def __init__(self, limits: Limits, wake: int) -> None:
        self._request = f"full {limits.stall_milliseconds * 1000} {limits.window_milliseconds * 1000}\0".encode()
        self._window = limits.window_milliseconds / 1000
        self._stall = limits.stall_milliseconds
        self._poll = select.poll()
        self._poll.register(wake, select.POLLIN)
        self._wake = wake
        self._triggers: dict[str, tuple[int, str, int]] = {}
        self._fired: dict[str, float] = {}

    def arm(self, domain: str, path: str) -> None:
        """Watches a pressure file (/proc/pressure/memory or a memcg's memory.pressure); raises OSError.

        Needs CAP_SYS_RESOURCE, because the window is not a multiple of two seconds.
        """
        inode = os.stat(path).st_ino  # noqa: PTH116 - pathlib is not worth its memory in the guard
        if self._triggers.get(domain, (0, "", 0))[1:] == (path, inode):
            return
        self.disarm(domain)
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            os.write(descriptor, self._request)
        except OSError:
            os.close(descriptor)
            raise
        self._poll.register(descriptor, select.POLLPRI)
        self._triggers[domain] = (descriptor, path, inode)

    def disarm(self, domain: str) -> None:
        """Stops watching; the kernel drops the trigger with its descriptor."""
        if trigger := self._triggers.pop(domain, None):
            self._poll.unregister(trigger[0])
            os.close(trigger[0])

    def sleep(self, seconds: float) -> None:
        """Until the time is over or something fires."""
        for descriptor, events in self._poll.poll(max(1, int(seconds * 1000))):
            if descriptor == self._wake:
                with contextlib.suppress(BlockingIOError):
                    os.read(descriptor, 512)
                continue
            domain = next(name for name, trigger in self._triggers.items() if trigger[0] == descriptor)
            if events & (select.POLLERR | select.POLLNVAL):  # its memcg is gone
                self.disarm(domain)
            else:
                self._fired[domain] = time.monotonic()

    def stall_milliseconds(self, domain: str, now: float) -> int:
        """Full stall in the last window: at least so much, because that is what the trigger asks for; or 0."""
        fired = self._fired.get(domain)
        return self._stall if fired is not None and now - fired <= self._window else 0
