"""When and how an OOMPolicy acts: victims, triggers, budget, host cgroups. Absent fields: as the CRD says."""

from oompolicy_api._model import ApiModel

__all__ = ["Budget", "HostCgroup", "RuleVictim", "Trigger", "Victim"]


class RuleVictim(ApiModel):
    """How the pods of one rule are killed; None: as the policy says."""

    unit: str | None = None
    grace_milliseconds: int | None = None
    then: str | None = None


class Victim(RuleVictim):
    """How victims are killed, and who is first at equal priority."""

    tie_break: str | None = None


class HostCgroup(ApiModel):
    """One memory cgroup outside the pods, with all that is below it."""

    path: str
    priority: int


class Trigger(ApiModel):
    """When the agent acts, where the choice is not made inside the kernel."""

    memory_available: str | None = None
    """A quantity, or a percentage."""
    pressure_full_milliseconds: int | None = None
    window_milliseconds: int | None = None
    swap_free_percent: int | None = None


class Budget(ApiModel):
    """How often the agent may kill."""

    cooldown_seconds: int | None = None
    maximum_kills: int | None = None
    window_seconds: int | None = None
