"""Counts a policy's nodes by state, for its status and for the sentence in its conditions."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from oompolicy_api.policy import NodeCounts
from oompolicy_operator.standing import NodeState, Standing

__all__ = ["Tally"]

_COUNTED_BACKENDS: Final[Mapping[str, str]] = {
    "KernelHook": "kernel_hook",
    "KernelAssist": "kernel_assist",
    "Userspace": "userspace",
    "Off": "off",
}
"""Backends that the status has a count for, best first. Another one, of a newer agent, counts as programmed only."""

MOST_WINNERS = 3
"""So many of those that override a policy are named."""


class Tally:
    """How many nodes are what.

    Attributes:
        desired: nodes that the policy selects.
        own: those of them on which no other policy acts.
        programmed, stale, off: as the CRD describes these counts.
    """

    def __init__(self, states: Iterable[NodeState]) -> None:
        everything = tuple(states)
        programmed = [state for state in everything if state.standing is Standing.PROGRAMMED]
        self._standings = Counter(state.standing for state in everything)
        self._backends = Counter(state.backend or "unknown" for state in programmed)
        self._why_off = sorted({state.why_off for state in programmed if state.why_off})
        self._winners = sorted({state.winner for state in everything if state.winner})
        self.desired = len(everything)
        self.programmed = len(programmed)
        self.overridden = self._standings[Standing.OVERRIDDEN]
        self.own = self.desired - self.overridden
        self.stale = self._standings[Standing.STALE]
        self.off = self._backends["Off"]

    def counts(self) -> NodeCounts:
        """The counts as the status has them."""
        backends = {field: self._backends[backend] for backend, field in _COUNTED_BACKENDS.items()}
        return NodeCounts(
            desired=self.desired,
            programmed=self.programmed,
            overridden=self.overridden,
            stale=self.stale,
            **backends,
        )

    def __str__(self) -> str:
        """For example "10 of 12 nodes: 4 KernelHook, 6 Userspace, 1 overridden by strict, 1 stale"."""
        known = [name for name in _COUNTED_BACKENDS if self._backends[name]]
        others = sorted(self._backends.keys() - _COUNTED_BACKENDS.keys())
        parts = [f"{self._backends[name]} {name}{self._why(name)}" for name in (*known, *others)]
        rest = (Standing.OVERRIDDEN, Standing.PENDING, Standing.STALE)
        parts += [f"{self._standings[each]} {each.value}{self._by(each)}" for each in rest if self._standings[each]]
        return f"{self.programmed} of {self.desired} nodes: {', '.join(parts)}"

    def _by(self, standing: Standing) -> str:
        """By whom, for the overridden."""
        if standing is not Standing.OVERRIDDEN or not self._winners:
            return ""
        more = len(self._winners) - MOST_WINNERS
        others = f" and {more} more" if more > 0 else ""
        return f" by {', '.join(self._winners[:MOST_WINNERS])}{others}"

    def _why(self, backend: str) -> str:
        return f" ({', '.join(self._why_off)})" if backend == "Off" and self._why_off else ""
