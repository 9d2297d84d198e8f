"""The rules of an OOMPolicy: which pods they are for, and what they say of them. The CRD describes each field."""

from oompolicy_api._model import ApiModel
from oompolicy_api.acting import RuleVictim
from oompolicy_api.selectors import LabelSelector

__all__ = ["Bounds", "ContainerPriority", "Match", "PriorityFrom", "Protect", "Rule"]


class Match(ApiModel):
    """The pods a rule is for; what is absent means any."""

    namespace_selector: LabelSelector | None = None
    pod_selector: LabelSelector | None = None
    priority_class_names: tuple[str, ...] = ()
    qos_classes: tuple[str, ...] = ()


class Bounds(ApiModel):
    """A range of priorities, both ends in it."""

    minimum: int
    maximum: int

    def clamp(self, priority: int) -> int:
        """The nearest priority within the bounds."""
        return max(self.minimum, min(self.maximum, priority))


class PriorityFrom(Bounds):
    """Takes the priority from the pod itself, within bounds."""

    source: str


class Protect(ApiModel):
    """Makes pods no victims: `Always`, or as long as they stay within their memory `Request`."""

    up_to: str


class ContainerPriority(ApiModel):
    """Orders one container inside its pod."""

    name: str
    priority: int


class Rule(ApiModel):
    """One rule: the pods it matches, and exactly one of priority, priority_from and protect.

    A rule with none of the three was written for a newer agent.
    """

    name: str
    match: Match
    priority: int | None = None
    priority_from: PriorityFrom | None = None
    protect: Protect | None = None
    override: Bounds | None = None
    containers: tuple[ContainerPriority, ...] = ()
    victim: RuleVictim | None = None
