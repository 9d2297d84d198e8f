"""Reads the `policy` of targets.json: what it does not say stays as the guard has it. Pure."""

from dataclasses import replace

from oompolicy_agent.guard.fields import (
    BYTES,
    INT32,
    FieldError,
    Object,
    integer,
    integer_or_none,
    mapping,
    string,
    string_or_none,
    strings,
)
from oompolicy_agent.guard.findings import Findings
from oompolicy_agent.guard.settings import Limits
from oompolicy_agent.guard.targets import Policy
from oompolicy_agent.model import TieBreak

__all__ = ["read_policy"]

MOST_BACKENDS = 16
MODES = ("Enforce", "Audit", "Off")
_POLICY = frozenset(
    {"name", "uid", "generation", "mode", "backends", "defaultPriority", "tieBreak", "trigger", "budget"}
)
_NUMBERS: dict[str, dict[str, tuple[str, range]]] = {
    "trigger": {
        "memoryAvailableBytes": ("threshold_bytes", range(1, 2**53 + 1)),
        "memoryAvailablePercent": ("threshold_percent", range(1, 51)),
        "pressureFullMilliseconds": ("stall_milliseconds", range(1, 10_000)),
        # The kernel takes pressure triggers with windows of half a second to ten seconds.
        "windowMilliseconds": ("window_milliseconds", range(500, 10_001)),
        "swapFreePercent": ("swap_free_percent", range(101)),
    },
    "budget": {
        "cooldownSeconds": ("cooldown_seconds", range(3601)),
        "maximumKills": ("maximum_kills", range(1, 101)),
        "windowSeconds": ("budget_seconds", range(1, 86_401)),
    },
}
"""By object and field: which of `Limits` it sets, and its bounds."""


def read_policy(found: object, limits: Limits, findings: Findings) -> Policy | None:
    """The policy that acts, or None.

    Args:
        found: what the file has.
        limits: the guard's own numbers.
        findings: takes down what is not known.

    Raises:
        FieldError: a field is not what it must be.
    """
    if found is None:
        return None
    fields = mapping("policy", found)
    findings.check_names("policy.", fields, _POLICY)
    return Policy(
        name=string("policy.name", fields.get("name")),
        uid=string_or_none("policy.uid", fields.get("uid")) or "",
        generation=integer_or_none("policy.generation", fields.get("generation"), BYTES) or 0,
        mode=_mode(string("policy.mode", fields.get("mode")), findings),
        default_priority=integer_or_none("policy.defaultPriority", fields.get("defaultPriority"), INT32) or 0,
        tie_break=_tie_break(string_or_none("policy.tieBreak", fields.get("tieBreak")), findings),
        limits=_limits(fields, limits, findings),
        backends=strings("policy.backends", fields.get("backends"), MOST_BACKENDS),
    )


def _mode(mode: str, findings: Findings) -> str:
    if mode in MODES:
        return mode
    findings.report(f"policy.mode: {mode} is not known to this version, which therefore kills nothing")
    return "Off"


def _tie_break(name: str | None, findings: Findings) -> TieBreak:
    try:
        return TieBreak.LARGEST_USAGE if name is None else TieBreak(name)
    except ValueError:
        findings.report(f"policy.tieBreak: {name} is not known to this version, which takes LargestUsage")
        return TieBreak.LARGEST_USAGE


def _limits(policy: Object, limits: Limits, findings: Findings) -> Limits:
    said: dict[str, int] = {}
    for name, numbers in _NUMBERS.items():
        place = f"policy.{name}"
        fields = {} if policy.get(name) is None else mapping(place, policy[name])
        findings.check_names(f"{place}.", fields, frozenset(numbers))
        for field, (limit, bounds) in numbers.items():
            if fields.get(field) is not None:
                said[limit] = integer(f"{place}.{field}", fields[field], bounds)
    return _together(limits, said)


def _together(limits: Limits, said: dict[str, int]) -> Limits:
    if "threshold_bytes" in said:
        if "threshold_percent" in said:
            expected = "at most one of memoryAvailableBytes and memoryAvailablePercent"
            raise FieldError("policy.trigger", expected, "both of them")
        limits = replace(limits, threshold_percent=None)
    limits = replace(limits, **said)
    if limits.stall_milliseconds >= limits.window_milliseconds:
        expected = f"less than windowMilliseconds, which is {limits.window_milliseconds}"
        raise FieldError("policy.trigger.pressureFullMilliseconds", expected, limits.stall_milliseconds)
    return limits
