"""The crises that every killer has to deal with, and who is in them."""

from dataclasses import dataclass

from guard_scene import Pod

__all__ = ["BATCH", "CRIT", "HOG", "SCENARIOS", "Scenario"]

CRIT_MEBIBYTES = 250
BATCH_MEBIBYTES = 200

CRIT = Pod("crit", priority=900, qos="burstable", oom_score_adj=600, request_mebibytes=400)
"""Must live. The adj is kubelet's for a request of 0.4 of the node."""
BATCH = Pod("batch", priority=10, oom_score_adj=-997, request_mebibytes=200)
"""Guaranteed and of no importance: should die first."""
HOG = Pod("hog", priority=100, qos="besteffort", oom_score_adj=1000)
"""Grows until it is killed."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of shortage."""

    name: str
    says: str
    mebibytes_per_second: int
    """0: as fast as it can."""
    limit_mebibytes: int | None = None
    """memory.max of kubepods; None: the node itself runs out."""
    machine_mebibytes: int = 1024
    """Where the pods have a limit, the node must have more than that: or it would be the node that runs out."""
    seconds: float = 75.0
    """A hog that lives longer than this has beaten everybody."""


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("A", "30 MiB/s, node", 30),
        Scenario("B", "as fast as it can, node", 0),
        Scenario(
            "C",
            "30 MiB/s, kubepods' limit of 700 MiB, node memory free",
            30,
            limit_mebibytes=700,
            machine_mebibytes=1536,
        ),
        Scenario("D", "300 MiB/s, node", 300),
    )
}
