"""Counts a policy's nodes by state, for its status and for the sentence in its conditions."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
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

MOST_NAMED = 3
"""Of those that override a policy, of the reasons against a better backend, and of problems."""


class Tally:
    """How many nodes are what.

    Attributes:
        desired: nodes that the policy selects.
        own: those of them on which no other policy acts.
        programmed, stale, off: as the CRD describes these counts.
        troubled: nodes whose agents name problems.
    """

    def __init__(self, states: Iterable[NodeState]) -> None:
        everything = tuple(states)
        programmed = [state for state in everything if state.standing is Standing.PROGRAMMED]
        self._standings = Counter(state.standing for state in everything)
        self._backends = Counter(state.backend or "unknown" for state in programmed)
        self._why = Counter((state.backend, state.why) for state in programmed if state.why)
        self._winners = sorted({state.winner for state in everything if state.winner})
        self.desired = len(everything)
        self.programmed = len(programmed)
        self.overridden = self._standings[Standing.OVERRIDDEN]
        self.own = self.desired - self.overridden
        self.stale = self._standings[Standing.STALE]
        self.off = self._backends["Off"]
        troubled = [state.problems for state in everything if state.problems]
        self.troubled = len(troubled)
        self._problems = sorted(problem for problems in troubled for problem in problems)

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

    def problems(self) -> str:
        """For example "2 of 12 nodes name problems; w1: the disk is full; w2: the disk is full"."""
        noun = "names" if self.troubled == 1 else "name"
        return f"{self.troubled} of {self.desired} nodes {noun} problems; {_some(self._problems, '; ')}"

    def __str__(self) -> str:
        """For example "9 of 12 nodes: 5 KernelHook, 4 Userspace (3 NoOOMHook, 1 NoBTF), 3 stale"."""
        known = [name for name in _COUNTED_BACKENDS if self._backends[name]]
        others = sorted(self._backends.keys() - _COUNTED_BACKENDS.keys())
        parts = [f"{self._backends[name]} {name}{self._because(name)}" for name in (*known, *others)]
        rest = (Standing.OVERRIDDEN, Standing.PENDING, Standing.STALE)
        parts += [f"{self._standings[each]} {each.value}{self._by(each)}" for each in rest if self._standings[each]]
        return f"{self.programmed} of {self.desired} nodes: {', '.join(parts)}"

    def _by(self, standing: Standing) -> str:
        """By whom, for the overridden."""
        if standing is not Standing.OVERRIDDEN or not self._winners:
            return ""
        return f" by {_some(self._winners)}"

    def _because(self, backend: str) -> str:
        """Why these nodes have no better backend; counted where there is more than one answer."""
        found = sorted((-count, why) for (where, why), count in self._why.items() if where == backend)
        if not found:
            return ""
        is_one = -found[0][0] == self._backends[backend]
        return f" ({_some([why if is_one else f'{-count} {why}' for count, why in found])})"


def _some(names: Sequence[str], separator: str = ", ") -> str:
    more = len(names) - MOST_NAMED
    return separator.join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
