"""What the node was told, as plain values: the policy that acts, and who has which priority or protection."""

from dataclasses import dataclass, field

from oompolicy_agent.guard.settings import Limits
from oompolicy_agent.model import TieBreak

__all__ = ["ContainerTarget", "HostTarget", "PodTarget", "Policy", "Targets"]


@dataclass(frozen=True, slots=True)
class Policy:
    """The policy that acts on this node. A mode that this version does not know has become `Off`: it kills nobody."""

    name: str
    uid: str
    generation: int
    mode: str
    default_priority: int = 0
    tie_break: TieBreak = TieBreak.LARGEST_USAGE
    limits: Limits = field(default_factory=Limits)
    """When to act and how often: the guard's own numbers, with those that the policy sets in their place."""
    backends: tuple[str, ...] = ()
    """Those that are allowed, best first; empty: all. There may be names that this version does not know."""

    def allows(self, backend: str) -> bool:
        """Whether that backend may decide."""
        return not self.backends or backend in self.backends


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
    waiting: tuple[ContainerTarget, ...] = ()
    """Those that the API server knows by name only, because they have not run yet; their `id` is empty."""
    grace_milliseconds: int = 0
    """From SIGTERM to SIGKILL, where there is time for it; 0: SIGKILL at once."""
    restarts_always: bool = False
    """Whether its restartPolicy is Always: a Job that ends well on SIGTERM would count as done."""
    is_evicted: bool = False
    """Whether a kill should be followed by an eviction of the whole pod."""
    is_terminating: bool = False
    """Whether somebody else has asked it to end: it has been deleted, or evicted through the API."""


@dataclass(frozen=True, slots=True)
class HostTarget:
    """One memcg outside kubepods; what is below it inherits. `priority` is None exactly when `protect` is set."""

    path: str
    """From the cgroup root, with a leading slash."""
    priority: int | None
    protect: str | None = None
    request_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Targets:
    """All of it. `policy` None: no policy acts here."""

    policy: Policy | None = None
    pods: dict[str, PodTarget] = field(default_factory=dict)
    """By uid."""
    host_cgroups: dict[str, HostTarget] = field(default_factory=dict)
    """By path."""
    kubelet_hard_eviction_bytes: int | None = None
    """None: nobody could tell."""
    audit: "Targets | None" = None
    """What another policy, in mode Audit, would have had instead; it decides beside this one and touches nothing."""
    problems: tuple[str, ...] = ()
    """One sentence for each value that this version does not know."""
    unknown_fields: tuple[str, ...] = ()
    """Fields that this version does not know and ignores, as `pods[].future`. No problem of the node."""

    @property
    def host_paths(self) -> frozenset[str]:
        """Memcgs outside kubepods for which any policy has a target."""
        return frozenset(self.host_cgroups) | (frozenset(self.audit.host_cgroups) if self.audit else frozenset())
