"""Decides whether exactly what was promised happened: batch first, then hog, the database never. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Outcome", "outcome_of", "wrong"]

SIGKILLED = 137
"""The exit code of a container that died of SIGKILL."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is left of one pod: when and how it died (None while it runs), its restarts, and its phase."""

    name: str
    phase: str
    restarts: int
    died_at: str | None
    how: str | None


def outcome_of(pod: dict[str, Any]) -> Outcome:
    """Reads one pod, as `kubectl get -o json` prints it. Times stay RFC 3339 strings, which sort by time."""
    status = pod.get("status", {})
    containers = status.get("containerStatuses", [])
    ends = [end for c in containers for end in _ends(c)]
    how = status.get("reason") or (f"exit code {ends[-1]['exitCode']}" if ends else None)
    return Outcome(
        name=pod["metadata"]["name"],
        phase=status.get("phase", "Unknown"),
        restarts=sum(c.get("restartCount", 0) for c in containers),
        died_at=ends[-1]["finishedAt"] if ends else None,
        how=how,
    )


def _ends(container: dict[str, Any]) -> list[dict[str, Any]]:
    states = (container.get("lastState", {}), container.get("state", {}))
    return [state["terminated"] for state in states if "terminated" in state]


def wrong(
    outcomes: Iterable[Outcome], decisions: Sequence[dict[str, Any]], events: Iterable[str], node: dict[str, Any]
) -> list[str]:
    """What differs from the promise, one sentence each; empty when exactly that happened.

    Args:
        outcomes: the three pods.
        decisions: the guard's finished decisions, oldest first, as its journal has them.
        events: names of the pods that carry an Event `OOMPolicyVictim`.
        node: the status of the OOMNode.
    """
    pods = {outcome.name: outcome for outcome in outcomes}
    order = [d["victim"]["pod"] for d in decisions if d.get("victim")]
    faults = []
    if order != ["batch", "hog"]:
        faults.append(
            f"the guard should have killed batch and then hog, and nothing else; it killed {order or 'nothing'}"
        )
    faults += [
        f"{name} should have died of SIGKILL; it is {pods[name].phase}, {pods[name].how}"
        for name in ("batch", "hog")
        if pods[name].how != f"exit code {SIGKILLED}"
    ]
    database = pods["shop-db"]
    if database.restarts or database.died_at or database.phase != "Running":
        faults.append(f"shop-db should run undisturbed; it is {database.phase} with {database.restarts} restarts")
    faults += [f"{name} has no Event OOMPolicyVictim" for name in ("batch", "hog") if name not in set(events)]
    if node.get("kernelKills"):
        faults.append(f"the kernel should not have had to kill; it killed {node['kernelKills']} times")
    if node.get("kills") != len(order):
        faults.append(f"the OOMNode should count {len(order)} kills; it says {node.get('kills')}")
    return faults
