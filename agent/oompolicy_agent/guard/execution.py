"""One victim from the first signal until its memory is back: kills, watches it go, and completes its decision."""

import time
from dataclasses import dataclass, replace

from oompolicy_agent.guard.kill import Crew, Party, kill, muster, terminate
from oompolicy_agent.guard.memcgs import CgroupFS
from oompolicy_agent.guard.processes import largest, name_of, namespace_inits
from oompolicy_agent.guard.records import Decision, Victim
from oompolicy_agent.guard.waiting import Ending, Observation, Waiting

__all__ = ["Execution", "Means", "Prey"]

PROCESS = "Process"


@dataclass(frozen=True, slots=True)
class Means:
    """What it takes to kill on this host."""

    cgroups: CgroupFS
    proc: str
    crew: Crew


@dataclass(frozen=True, slots=True)
class Prey:
    """What has to die, and what of it may."""

    paths: tuple[str, ...]
    """The memcgs to empty."""
    pod_path: str
    """Where the memory of a memcg that is gone is still charged."""
    party: Party
    usage: int
    """Bytes that its death should give back."""
    only: frozenset[int] = frozenset()
    """Of the unit Process: nobody but these."""
    is_ending: bool = False
    """Whether somebody else has asked it to end: it is never hurried, and waited for only while there is time."""

    @classmethod
    def of(cls, means: Means, victim: Victim, paths: tuple[str, ...], party: Party) -> "Prey":
        """The whole unit, or of the unit Process the largest one that may be killed, with all that share its memory."""
        if victim.unit != PROCESS:
            return cls(paths, victim.pod_path, party, victim.usage_bytes)
        pids, held = largest(means.proc, party.killable)
        return cls(paths, victim.pod_path, replace(party, killable=pids), held, frozenset(pids))


class Execution:
    """The victim on its way out; `decision` says all that is known of it so far.

    Args:
        since: when the shortage was first measured, and `margin` how much was left at the decision.
        begun: when the choice began.
    """

    def __init__(
        self, means: Means, prey: Prey, decision: Decision, since: float, margin: int, *, begun: float | None = None
    ) -> None:
        self.decision = _named(decision, means, prey)
        self.problems: list[str] = []
        self.was_struck = False
        """Whether anything was done to it; else somebody else has killed it, and it is only waited for."""
        self._means = means
        self._prey = prey
        self._since = since
        self.signalled_at = time.monotonic()
        """When the first signal was sent, by the monotonic clock; until then when this began."""
        self._begun = self.signalled_at if begun is None else begun
        self._spared_until: float | None = None
        """The end of its grace, while it has not been sent SIGKILL."""
        self._others = 0
        start = self._observed(margin)
        self._others = max(0, (means.cgroups.current(prey.pod_path) or 0) - start.usage)
        self._waiting = Waiting(start, prey.usage)

    @property
    def seconds(self) -> float:
        """From the beginning of the choice until now."""
        return time.monotonic() - self._begun

    def warn(self, milliseconds: int) -> None:
        """Asks it to end, and gives it so long. Whoever asks a container to end asks the PID 1 in it."""
        means, prey = self._means, self._prey
        self.was_struck = True
        self._spared_until = time.monotonic() + milliseconds / 1000
        inits = namespace_inits(means.proc, prey.party.killable)
        self._took(terminate(means.cgroups, prey.paths, inits).signalled)
        self.decision = replace(self.decision, grace_milliseconds=milliseconds)

    def strike(self) -> None:
        """Kills. Nobody left to signal means that it is dying already."""
        means, prey = self._means, self._prey
        self.was_struck, self._spared_until = True, None
        whole = not (prey.party.exempt or prey.only)  # cgroup.kill spares nobody
        killing = kill(means.cgroups, prey.paths, self._killable(), means.crew, whole=whole)
        self.problems = killing.problems
        self._took(killing.signalled)

    def look(self, margin: int, *, must_hurry: bool) -> Ending | None:
        """Looks at it once; when the wait has ended the decision is complete.

        Args:
            margin: of the domain in which it was chosen.
            must_hurry: whether there is no time left for its grace.
        """
        if must_hurry and self._prey.is_ending:
            return Ending.GAVE_UP
        now = self._observed(margin)
        if now.is_populated and self._spared_until is not None:
            if now.time < self._spared_until and not must_hurry:
                return None
            self._waiting.restart(now)
            self.strike()
        elif now.is_populated and self.was_struck and not self._prey.only:
            self._strike_newcomers()
        ending = self._waiting.look(now)
        if ending:
            self._complete(ending, now)
        return ending

    def _complete(self, ending: Ending, now: Observation) -> None:
        empty_at = self._waiting.empty_at
        self.decision = replace(
            self.decision,
            outcome=self._outcome(ending),
            freed_bytes=max(0, self._waiting.freed_bytes),
            signal_to_empty=None if empty_at is None else _milliseconds(empty_at - self.signalled_at),
            signal_to_freed=_milliseconds(now.time - self.signalled_at) if ending is Ending.FREED else None,
        )

    def _took(self, signalled: int) -> None:
        """Counts whom the first signal reached; a second one reaches the same again."""
        if self.decision.shortage_to_signal is None:
            self.signalled_at = time.monotonic()
            took = _milliseconds(self.signalled_at - self._since)
            self.decision = replace(self.decision, shortage_to_signal=took)
        self.decision = replace(self.decision, tasks_signalled=max(self.decision.tasks_signalled, signalled))

    def _killable(self) -> tuple[int, ...]:
        """Who is there now: after a grace others than were mustered may be."""
        if self.decision.grace_milliseconds == 0 or self._prey.only:
            return self._prey.party.killable
        return muster(self._means.cgroups, self._means.proc, self._prey.paths).killable

    def _strike_newcomers(self) -> None:
        """Kills what was forked between our look and the signals, in case `cgroup.kill` is stuck."""
        means = self._means
        party = muster(means.cgroups, means.proc, self._prey.paths)
        if party.killable and not party.was_killed:
            killing = kill(means.cgroups, self._prey.paths, party.killable, means.crew, whole=not party.exempt)
            counted = self.decision.tasks_signalled + len(set(party.killable) - set(self._prey.party.killable))
            self.decision = replace(self.decision, tasks_signalled=counted)
            self.problems += killing.problems[:1]

    def _outcome(self, ending: Ending) -> str:
        if ending is Ending.GAVE_UP:
            return "GaveUp"
        return "Futile" if self._waiting.is_futile else "Killed"

    def _observed(self, margin: int) -> Observation:
        return Observation(
            time=time.monotonic(),
            margin=margin,
            is_populated=any(self._is_populated(path) for path in self._prey.paths),
            usage=self._usage(),
        )

    def _is_populated(self, path: str) -> bool:
        """Whether somebody is in it who has to die; those who may not be killed stay."""
        cgroups, prey = self._means.cgroups, self._prey
        if not cgroups.is_populated(path):
            return False
        if prey.only:
            return not prey.only.isdisjoint(cgroups.processes(path))
        return not prey.party.exempt or not set(cgroups.processes(path)) <= set(prey.party.exempt)

    def _usage(self) -> int:
        """What is charged for it; once its memcg is gone, what that left behind in the pod's."""
        cgroups, prey = self._means.cgroups, self._prey
        found = [cgroups.current(path) for path in prey.paths]
        held = [usage for usage in found if usage is not None]
        if len(held) == len(found):
            return sum(held)
        return max(0, (cgroups.current(prey.pod_path) or 0) - self._others)


def _named(decision: Decision, means: Means, prey: Prey) -> Decision:
    """With the name of the process, where only one dies."""
    if decision.victim is None or not prey.only:
        return decision
    name = name_of(means.proc, prey.party.killable[0])
    return replace(decision, victim=replace(decision.victim, process=name, usage_bytes=prey.usage))


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 1)
