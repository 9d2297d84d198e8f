"""One victim from the signal until its memory is back: kills, watches it go, and completes its decision."""

import time
from dataclasses import replace

from oompolicy_agent.guard.chooser import Choice
from oompolicy_agent.guard.kill import kill
from oompolicy_agent.guard.memcgs import CgroupFS
from oompolicy_agent.guard.records import Decision
from oompolicy_agent.guard.waiting import Ending, Observation, Waiting

__all__ = ["Execution"]


class Execution:
    """The victim on its way out; `decision` says all that is known of it so far.

    Args:
        since: when the shortage was first measured, and `margin` how much was left at the decision.
    """

    def __init__(self, cgroups: CgroupFS, choice: Choice, decision: Decision, since: float, margin: int) -> None:
        self.choice = choice
        self.decision = decision
        self.problems: list[str] = []
        self.was_struck = False
        self._cgroups = cgroups
        self._paths = choice.candidate.dies
        self._pod = decision.victim.pod_path if decision.victim else "/"
        self._since = since
        self._others = 0
        self._begun = time.monotonic()
        start = self._observed(margin)
        self._others = max(0, (cgroups.current(self._pod) or 0) - start.usage)
        self._waiting = Waiting(start, choice.victim.usage_bytes)
        self._signalled_at = self._begun

    def strike(self) -> None:
        """Kills. Nobody left to signal means that it is dying already."""
        self.was_struck = True
        killing = kill(self._cgroups, self._paths, self.choice.party)
        self.problems = killing.problems
        self._signalled_at = killing.signalled_at or time.monotonic()
        self.decision = replace(
            self.decision,
            tasks_signalled=killing.signalled,
            shortage_to_signal=_milliseconds(self._signalled_at - self._since),
        )

    def look(self, margin: int) -> Ending | None:
        """Looks at it once; when the wait has ended the decision is complete."""
        now = self._observed(margin)
        ending = self._waiting.look(now)
        if ending is None:
            return None
        empty_at = self._waiting.empty_at
        self.decision = replace(
            self.decision,
            outcome=self._outcome(ending),
            freed_bytes=max(0, self._waiting.freed_bytes),
            signal_to_empty=None if empty_at is None else _milliseconds(empty_at - self._signalled_at),
            signal_to_freed=_milliseconds(now.time - self._signalled_at) if ending is Ending.FREED else None,
        )
        return ending

    @property
    def seconds(self) -> float:
        """From the decision until now."""
        return time.monotonic() - self._begun

    def _outcome(self, ending: Ending) -> str:
        if ending is Ending.GAVE_UP:
            return "GaveUp"
        return "Futile" if self._waiting.is_futile else "Killed"

    def _observed(self, margin: int) -> Observation:
        return Observation(
            time=time.monotonic(),
            margin=margin,
            is_populated=any(self._is_populated(path) for path in self._paths),
            usage=self._usage(),
        )

    def _is_populated(self, path: str) -> bool:
        """Whether somebody is in it who has to die; those who may not be killed stay."""
        if not self._cgroups.is_populated(path):
            return False
        exempt = self.choice.party.exempt
        return not exempt or not set(self._cgroups.processes(path)) <= set(exempt)

    def _usage(self) -> int:
        """What is charged for it; once its memcg is gone, what that left behind in the pod's."""
        found = [self._cgroups.current(path) for path in self._paths]
        held = [usage for usage in found if usage is not None]
        if len(held) == len(found):
            return sum(held)
        return max(0, (self._cgroups.current(self._pod) or 0) - self._others)


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 1)
