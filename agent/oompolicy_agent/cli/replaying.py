"""What a changed policy would have decided, from what a decision has recorded. Pure.

A decision keeps the first few of its order with what they used. Only those are compared again: who stood further back
then is not recorded, and a changed policy may want him first.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from oompolicy_agent.cli.decisions import victim_name
from oompolicy_agent.cli.standing import name, origin
from oompolicy_agent.pods import Pod
from oompolicy_agent.resolve import Target, resolve
from oompolicy_api.decision import DecidedVictim, OOMDecision
from oompolicy_api.policy import OOMPolicy

__all__ = ["Replayed", "replayed"]

SAME, DIFFERS, UNKNOWN = "Same", "Differs", "CannotTell"
LARGEST = "LargestUsage"


@dataclass(frozen=True, slots=True)
class Replayed:
    """One decision again.

    Attributes:
        verdict: `Same`, `Differs`, or `CannotTell`.
        victim: who dies now, if that can be told and anybody does.
        why: what makes the difference, or what is missing.
    """

    decision: OOMDecision
    verdict: str
    victim: str | None
    why: str


def replayed(
    decision: OOMDecision,
    policy: OOMPolicy,
    pods: Mapping[tuple[str, str], Pod],
    namespaces: Mapping[str, Mapping[str, str]],
) -> Replayed:
    """The decision under that policy; `pods` are those that still exist, by namespace and name."""
    spec = decision.spec
    if spec.victim is None or not spec.ranking:
        return Replayed(decision, UNKNOWN, None, "who else could have been chosen is not recorded")
    order = spec.ranking
    missing = [victim_name(one) for one in order if (one.namespace or "", one.pod or "") not in pods]
    if missing:
        return Replayed(decision, UNKNOWN, None, f"not there any more: {', '.join(missing)}")
    if policy.spec.victim.tie_break not in {None, LARGEST}:
        return Replayed(decision, UNKNOWN, None, f"what {policy.spec.victim.tie_break} compares is not recorded")
    standing = [one for one in _standing(order, policy, pods, namespaces) if one[1].priority is not None]
    first = min(standing, key=_key(standing), default=None)
    was = victim_name(spec.victim)
    if first is None:
        return Replayed(decision, DIFFERS, None, "all of its order are protected now")
    now, target = victim_name(first[0]), first[1]
    why = f"priority {target.priority} by {origin(target)}, of the {len(order)} that are recorded"
    return Replayed(decision, SAME if now == was else DIFFERS, now, why)


def _standing(
    order: tuple[DecidedVictim, ...],
    policy: OOMPolicy,
    pods: Mapping[tuple[str, str], Pod],
    namespaces: Mapping[str, Mapping[str, str]],
) -> list[tuple[DecidedVictim, Target]]:
    there = [(one, pods[one.namespace or "", one.pod or ""]) for one in order]
    targets = {name(target): target for target in resolve(policy, [pod for _, pod in there], namespaces).targets}
    return [(one, targets[called]) for one, pod in there if (called := f"{pod.namespace}/{pod.name}") in targets]


def _key(
    standing: list[tuple[DecidedVictim, Target]],
) -> Callable[[tuple[DecidedVictim, Target]], tuple[int, int, int]]:
    """The pod's priority, then who uses most; what belongs to one pod stays in the recorded order."""
    largest: dict[str, int] = {}
    for victim, target in standing:
        largest[name(target)] = max(largest.get(name(target), 0), victim.usage_bytes or 0)
    return lambda one: (one[1].priority or 0, -largest[name(one[1])], standing.index(one))
