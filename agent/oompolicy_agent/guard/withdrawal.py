"""Leaves the host as it was when nobody wants a guard any more: all that stays is the journal, and how far it was read.

A guard that is only replaced keeps everything, and so does one that never heard that nobody wants it. What it has
changed on the node was put back when the policy went; what is removed here are its files.
"""

import contextlib
import os

from oompolicy_agent.guard import adjustments, last_good, ring, status
from oompolicy_agent.guard.parts import INBOX, OUTBOX, TARGETS, Parts
from oompolicy_agent.inspection import ANSWER, REQUEST

__all__ = ["withdraw"]


def withdraw(parts: Parts) -> bool:
    """Removes the guard's files if it was told that no policy acts here; whether it did.

    Not where somebody wrote the targets by hand: that file is not ours.
    """
    settings, targets = parts.settings, parts.inbox.targets
    if settings.targets or not parts.inbox.has_targets or targets.policy or targets.audit:
        return False
    parts.adjustments.restore()
    state, runtime = settings.state_directory, settings.runtime_directory
    for path in (
        f"{state}/{INBOX}/{TARGETS}",
        f"{state}/{INBOX}/{REQUEST}",
        f"{state}/{OUTBOX}/{ANSWER}",
        f"{state}/{OUTBOX}/{status.NAME}",
        f"{state}/{last_good.NAME}",
        f"{runtime}/{adjustments.NAME}",
        f"{runtime}/{ring.NAME}",
    ):
        with contextlib.suppress(OSError):  # what cannot be removed does no harm
            os.unlink(path)  # noqa: PTH108 - pathlib is not worth its memory in the guard
    return True
