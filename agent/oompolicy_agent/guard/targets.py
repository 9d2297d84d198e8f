"""What the node was told, as plain values: the policy that acts, and for each pod its priority or protection."""

from dataclasses import dataclass, field

from oompolicy_agent.model import TieBreak

__all__ = ["ContainerTarget", "PodTarget", "Policy", "Targets"]


@dataclass(frozen=True, slots=True)
class Policy:
    """The policy that acts on this node. A mode that this version does not know has become `Off`: it kills nobody."""

    name: str
    uid: str
    generation: int
    mode: str
    default_priority: int = 0
    tie_break: TieBreak = TieBreak.LARGEST_USAGE


@dataclass(frozen=True, slots=True)
class ContainerTarget:
    """One container that the API server knows, by the runtime's id; `priority` None: the pod's."""

    name: str
    id: str
    priority: int | None = None
    request_bytes: int = 0


@dataclass(frozen=True, slots=True)
class PodTarget:
    """One pod; `uid` is the name of its cgroup. `priority` is None exactly when `protect` is set."""

    uid: str
    namespace: str
    name: str
    priority: int | None
    protect: str | None = None
    unit: str = "Container"
    rule: str | None = None
    source: str = "Rule"
    request_bytes: int = 0
    containers: dict[str, ContainerTarget] = field(default_factory=dict)
    """By id."""


@dataclass(frozen=True, slots=True)
class Targets:
    """All of it. `policy` None: no policy acts here."""

    policy: Policy | None = None
    pods: dict[str, PodTarget] = field(default_factory=dict)
    """By uid."""
    kubelet_hard_eviction_bytes: int | None = None
    """None: nobody could tell."""
    problems: tuple[str, ...] = ()
    """One sentence for each value that this version does not know."""
