"""How fast a victim is chosen, beside sorting the same memcgs by usage, in the same run.

Only the ratio says something: machines differ, and this one may be busy. The tree is kubelet's own: kubepods, QoS
slices, pods, containers, every pod with a priority of its own.
"""

import random
import time
from collections.abc import Callable
from statistics import median

from oompolicy_agent.model import Memcg, Snapshot
from oompolicy_agent.select import champion

__all__ = ["main"]

SIZES = (100, 1_000, 10_000)
REPEATS = 15
CONTAINERS_PER_POD = 2


def kubepods(containers: int, seed: int = 1) -> Snapshot:
    """A node with that many containers, three fifths of them Burstable, one fifth each BestEffort and Guaranteed."""
    dice = random.Random(seed)  # noqa: S311 - nothing here is a secret
    cgroups: list[Memcg] = []
    for pod in range(containers // CONTAINERS_PER_POD):
        qos = dice.choice(["/burstable", "/burstable", "/burstable", "/besteffort", ""])
        path = f"/kubepods{qos}/pod{pod}"
        cgroups.append(Memcg(path, id=len(cgroups) + 1, priority=dice.randint(-100, 900)))
        for container in range(CONTAINERS_PER_POD):
            usage = dice.randint(1 << 20, 1 << 30)
            cgroups.append(Memcg(f"{path}/{container}", id=len(cgroups) + 1, usage_bytes=usage, unit=True))
    return Snapshot(domain="/", cgroups=tuple(cgroups))


def milliseconds(work: Callable[[], object]) -> float:
    """The median over REPEATS runs of `work`."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1000)
    return median(times)


def line(snapshot: Snapshot) -> str:
    """What choosing from `snapshot` costs, beside sorting it."""
    count = len(snapshot.cgroups)
    choosing = milliseconds(lambda: champion(snapshot))
    sorting = milliseconds(lambda: sorted(snapshot.cgroups, key=lambda memcg: -memcg.usage_bytes))
    per_memcg = choosing * 1000 / count
    return f"{count:8} {choosing:9.2f} ms {per_memcg:9.2f} us {sorting:11.3f} ms {choosing / sorting:8.1f}"


def main() -> None:
    """Prints one line for each size."""
    print(f"{'memcgs':>8} {'choose':>12} {'per memcg':>12} {'sort by usage':>14} {'ratio':>8}   (medians of {REPEATS})")
    for size in SIZES:
        print(line(kubepods(size)))
