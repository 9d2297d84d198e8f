"""Makes of what the OOM handler has decided a record like any other. Pure."""

from collections.abc import Mapping
from dataclasses import replace

from oompolicy_agent.explain import why
from oompolicy_agent.guard.clock import decision_id
from oompolicy_agent.guard.hook_abi import Outcome, Verdict
from oompolicy_agent.guard.layout import Place, classify, is_way_to_pods
from oompolicy_agent.guard.records import Decision, Victim, pod_victim, victim_of
from oompolicy_agent.guard.support import HOOK
from oompolicy_agent.guard.targets import Targets
from oompolicy_agent.model import Candidate, Snapshot
from oompolicy_agent.select import victims

__all__ = ["decided", "place_at", "wall_time"]

OUTCOMES = {
    Outcome.KILLED: "Killed",
    Outcome.WOULD_KILL: "WouldKill",
    Outcome.NOTHING_ELIGIBLE: "NothingEligible",
    Outcome.NOBODY_KILLABLE: "NothingEligible",
}
MOST_RANKED = 5
SECOND = 1e9


def decided(
    verdict: Verdict, time: float, places: Mapping[int, Place], targets: Targets, seen: Snapshot | None
) -> Decision:
    """The record of one verdict.

    `places` are those on the node now, by cgroup id; the victim's may be gone. `seen` is what the handler chose from,
    if nobody has measured anything since: then the record explains the choice by the same keys.
    """
    policy = targets.policy
    place = places.get(verdict.victim) or place_at(verdict.path, verdict.victim)
    order = _order(seen, places, targets) if seen and verdict.victim else ()
    chosen = next((candidate for candidate, _ in order if candidate.memcg.id == verdict.victim), None)
    return Decision(
        decision_id(time),
        time,
        _domain(verdict, places),
        "Audit" if verdict.outcome is Outcome.WOULD_KILL else policy.mode if policy else "Off",
        policy,
        None,
        _victim(place, verdict, targets) if place else None,
        HOOK,
        layers=chosen.layers if chosen else (),
        ranking=tuple(victim for _, victim in order) if chosen else (),
        why=why(chosen, seen.tie_break) if chosen and seen else None,
        outcome=OUTCOMES[verdict.outcome],
        tasks_signalled=verdict.killed,
        shortage_to_signal=round(verdict.nanoseconds / 1e6, 1),
    )


def wall_time(verdict: Verdict, now: float, boot_nanoseconds: int) -> float:
    """When it was decided, by the wall clock; `now` is that clock's and `boot_nanoseconds` CLOCK_BOOTTIME's time."""
    return now - (boot_nanoseconds - verdict.time) / SECOND


def place_at(path: str, cgroup_id: int) -> Place | None:
    """What was at a path, by its names alone; None for the empty path."""
    place: Place | None = None
    for end in [*(at for at, letter in enumerate(path) if letter == "/" and at), len(path)]:
        prefix = path[:end]
        if place is None and end < len(path) and is_way_to_pods(prefix.lstrip("/")):
            continue
        place = classify(prefix, cgroup_id, place) if prefix else None
    return place


def _order(seen: Snapshot, places: Mapping[int, Place], targets: Targets) -> tuple[tuple[Candidate, Victim], ...]:
    """The first few of the order."""
    found = zip(range(MOST_RANKED), victims(seen), strict=False)
    return tuple((one, victim_of(one, places[one.memcg.id], targets)) for _, one in found)


def _victim(place: Place, verdict: Verdict, targets: Targets) -> Victim:
    victim = replace(pod_victim(place, targets), id=verdict.victim, usage_bytes=verdict.usage_bytes)
    if not place.container_id:
        return victim
    pod = targets.pods.get(place.pod_uid)
    told = pod.containers.get(place.container_id) if pod else None
    victim = replace(victim, unit="Container", container=told.name if told else None)
    if not verdict.process:
        return victim
    return replace(victim, unit="Process", process=verdict.process, usage_bytes=verdict.process_usage_bytes)


def _domain(verdict: Verdict, places: Mapping[int, Place]) -> str:
    """Its path. One that is gone was above the victim, as the root always is."""
    if place := places.get(verdict.domain):
        return place.path
    return "/" + "/".join(verdict.path.split("/")[1 : verdict.domain_level + 1])
