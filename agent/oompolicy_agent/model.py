"""The words of a decision as plain values: what a node looked like, who dies first, and what decided it."""

import enum
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["Candidate", "DecidedBy", "Key", "Layer", "Memcg", "Ranking", "Snapshot", "Standing", "TieBreak"]


class TieBreak(enum.Enum):
    """What decides between memcgs of equal priority."""

    LARGEST_USAGE = "LargestUsage"
    MOST_OVER_REQUEST = "MostOverRequest"
    """Usage minus memory request, signed: who keeps to its request is behind everybody who does not."""
    NEWEST = "Newest"
    """The higher cgroup id, because a higher id is younger."""


class DecidedBy(enum.Enum):
    """Which part of the key separated the chosen memcg of a layer from the next."""

    ONLY_CHILD = "OnlyChild"
    """No sibling was eligible."""
    KNOWN = "Known"
    PRIORITY = "Priority"
    TIE_BREAK = "TieBreak"
    ID = "Id"


@dataclass(frozen=True, slots=True)
class Memcg:
    """One memory cgroup as it was when the snapshot was taken.

    `usage_bytes`, `request_bytes`, `killable` and `known` describe what holds processes, so they are read from leaves
    and units only; `priority`, `protected` and `unit` mean something everywhere.
    """

    path: str
    """From the cgroup root, with a leading slash and no trailing one; the root is `/`."""
    id: int
    """The cgroup id (its inode): positive, unique in the snapshot, higher is younger."""
    priority: int | None = None
    """The explicit priority, an int32, the lower dies first; None: none set."""
    usage_bytes: int = 0
    """What a kill would give back. Of a unit with parts: of all of it."""
    request_bytes: int = 0
    protected: bool = False
    """Never a victim, with its whole subtree. `protect: Request` is settled by whoever takes the snapshot: it is
    protected up to its memory request, beyond it an ordinary memcg with the default priority."""
    killable: bool = True
    """Whether a signal may and could end something in it. False for sandboxes, for the runtime's own helpers, for what
    is empty, dying already or holds only tasks that nobody may kill."""
    unit: bool = False
    """Dies as one, and what is below is never compared: a container, `memory.oom.group`, a pod whose rule says so."""
    known: bool = True
    """False for a leaf younger than its target; a memcg with a priority is always known."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A tree of memcgs, and by which rules to choose in which part of it.

    Ancestors that are not in `cgroups` have no priority and no flags.
    """

    domain: str
    """The path of the memcg whose shortage it is."""
    cgroups: tuple[Memcg, ...]
    default_priority: int = 0
    tie_break: TieBreak = TieBreak.LARGEST_USAGE


class Key(NamedTuple):
    """What a memcg is compared by: the smaller key dies first.

    Value and id are negated, because the larger value and the higher id die first.
    """

    unknown: bool
    priority: int
    minus_value: int
    minus_id: int


class Standing(NamedTuple):
    """How a memcg stood in the comparison of a layer."""

    path: str
    represented_by: str
    """Whose key it was compared by: its own path, or that of the champion of an interior memcg without priority."""
    key: Key


@dataclass(frozen=True, slots=True)
class Layer:
    """One comparison among siblings, on the way from the domain down to the victim."""

    parent: str
    chosen: Standing
    spared: tuple[str, ...]
    """The siblings that were eligible too, next to die first. What was no candidate anyway was not spared."""
    runner_up: Standing | None
    """How the first of `spared` stood; None when there is none."""
    decided_by: DecidedBy


@dataclass(frozen=True, slots=True)
class Candidate:
    """A killable unit, at its place in the order."""

    memcg: Memcg
    key: Key
    layers: tuple[Layer, ...]
    """From the domain down; empty when the domain itself is the unit."""
    dies: tuple[str, ...]
    """The memcgs to empty, with all that is below them: the unit itself, or the killable parts of a unit that also
    holds something unkillable (a pod's sandbox survives its pod)."""

    @property
    def path(self) -> str:
        """The path of its memcg."""
        return self.memcg.path


@dataclass(frozen=True, slots=True)
class Ranking:
    """Every candidate of a domain, first to die first."""

    order: tuple[Candidate, ...]

    @property
    def victim(self) -> Candidate | None:
        """Who dies first; None when nothing is eligible."""
        return self.order[0] if self.order else None
