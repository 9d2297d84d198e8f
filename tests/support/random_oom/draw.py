"""Draws random trees of pods with a shortage each, and says by the specification who has to die. Pure.

What a container uses is known only to within a mebibyte or two, and what the growing one will use to within its growth.
Trees whose first victim depends on that are thrown away, so that each one kept has exactly one right answer.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from kubelet_tree import BRANCHES, Container, Pod, targets_document
from oompolicy_agent.model import Memcg, Snapshot, TieBreak
from oompolicy_agent.select import victims

__all__ = ["Drawn", "drawn"]

MEBIBYTE = 1 << 20
SIZES = range(3, 30, 3)
"""MiB that containers hold, each size once in a tree."""
MOST_CONTAINERS = len(SIZES)
PRIORITIES = (-100, 0, 0, 10, 10, 10, 100, 900)
CONTAINER_PRIORITIES = (None, None, 5, 50)
DEFAULT_PRIORITY = 10
ADJUSTMENTS = {"": -997, "burstable": 600, "besteffort": 1000}
OVERHEAD_MIB = 1.0
"""Of a container's process; off by no more than as much again."""
GROWTH_MIB = 110
"""What the growing one takes at most before somebody dies."""
LOOKS = 6
"""How often the answer is asked for, with usages that are off in different ways."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """One event."""

    generation: int
    """Its number, by which the guard says which targets it has."""
    pods: tuple[Pod, ...]
    holds: Mapping[str, int]
    """MiB by container's path."""
    grower: str
    """The path of the container that will take ever more."""
    domain: str
    tie_break: TieBreak
    speed: float
    """Its growth as a share of what the guard says it can survive; 0: as fast as it can."""

    def orders(self) -> list[list[frozenset[str]]]:
        """The memcgs that die together, first to die first: once for each way in which usages may be off."""
        dice = random.Random(self.generation)  # noqa: S311 - nothing here is a secret
        found = []
        for look in range(LOOKS):
            usage = {path: size + OVERHEAD_MIB + dice.uniform(-1, 1) for path, size in self.holds.items()}
            usage[self.grower] += GROWTH_MIB * look / (LOOKS - 1)
            found.append([frozenset(one.dies) for one in victims(self._snapshot(usage))])
        return found

    @property
    def victim(self) -> frozenset[str] | None:
        """The memcgs that die first; None if that is not clear, or if nobody may die."""
        first = {order[0] if order else None for order in self.orders()}
        return first.pop() if len(first) == 1 else None

    def is_right(self, deaths: frozenset[str]) -> bool:
        """Whether those who died are the first so and so many of the order."""
        prefixes = (
            frozenset().union(*order[:length]) for order in self.orders() for length in range(1, len(order) + 1)
        )
        return deaths in prefixes

    def document(self) -> dict[str, Any]:
        """For the program in the machine."""
        bundles = {path: content for pod in self.pods for path, content in pod.bundles.items()}
        sandboxes = [[pod.sandbox_path, 0, 0] for pod in self.pods]
        adjustments = {path: pod.oom_score_adj for pod in self.pods for path in pod.paths}
        budget = {"cooldownSeconds": 0, "maximumKills": 100, "windowSeconds": 1}
        return {
            "generation": self.generation,
            "memcgs": [path for pod in self.pods for path in pod.paths],
            "pods": [pod.path for pod in self.pods],
            "bundles": bundles,
            "targets": targets_document(
                list(self.pods),
                generation=self.generation,
                defaultPriority=DEFAULT_PRIORITY,
                tieBreak=self.tie_break.value,
                budget=budget,
            ),
            "workers": [*sandboxes, *([path, size, adjustments[path]] for path, size in self.holds.items())],
            "grower": self.grower,
            "domain": self.domain,
            "speed": self.speed,
            "slackBytes": 12 * MEBIBYTE,
            "nodeSlackBytes": 60 * MEBIBYTE,
        }

    def __str__(self) -> str:
        pods = "; ".join(f"{pod.qos or 'guaranteed'}/{self._told(pod)}" for pod in self.pods)
        return f"{self.generation}: {self.domain} {self.tie_break.value} {self.speed:.2f} of the stated growth: {pods}"

    def _told(self, pod: Pod) -> str:
        how = pod.protect or ("unknown" if not pod.is_known else f"{pod.priority}{' as one' * (pod.unit == 'Pod')}")
        parts = ", ".join(
            f"{one.name}{'' if one.priority is None else f':{one.priority}'}={self.holds[pod.path_of(one)]}"
            f"{' grows' if self.grower == pod.path_of(one) else ''}"
            for one in pod.containers
        )
        return f"{pod.name}:{how}{{{parts}}}"

    def _snapshot(self, usage: Mapping[str, float]) -> Snapshot:
        """What is known of the tree without the guard; ids rise in the order in which memcgs are made."""
        memcgs = [Memcg(path, number) for number, path in enumerate(BRANCHES, start=1)]
        memcgs.append(Memcg("/guard", len(memcgs) + 1, protected=True))
        for pod in self.pods:
            memcgs += _memcgs(pod, usage, len(memcgs) + 1)
        return Snapshot(self.domain, tuple(memcgs), DEFAULT_PRIORITY, self.tie_break)


def drawn(seed: int, count: int, fast_share: float = 0.0) -> Iterator[Drawn]:
    """So many events with a clear answer; so large a share of them grows as fast as it can."""
    dice, found = random.Random(seed), 0  # noqa: S311 - nothing here is a secret
    while found < count:
        event = _event(dice, found + 1, fast_share)
        if event.victim:
            found += 1
            yield event


def _event(dice: random.Random, generation: int, fast_share: float) -> Drawn:
    pods, free = [], MOST_CONTAINERS
    for number in range(dice.randint(5, 8)):
        pod = _pod(dice, f"e{generation}p{number}", may_have_two=free > 8 - number)
        free -= len(pod.containers)
        pods.append(pod)
    paths = [pod.path_of(container) for pod in pods for container in pod.containers]
    sizes = dice.sample(SIZES, len(paths))
    return Drawn(
        generation=generation,
        pods=tuple(pods),
        holds=dict(zip(paths, sizes, strict=True)),
        grower=dice.choice(paths),
        domain=dice.choice(["/", "/kubepods"]),
        tie_break=dice.choice(list(TieBreak)),
        speed=0.0 if dice.random() < fast_share else dice.uniform(0.1, 0.8),
    )


def _pod(dice: random.Random, name: str, *, may_have_two: bool) -> Pod:
    qos = dice.choice(["", "burstable", "burstable", "besteffort"])
    containers: tuple[Container, ...] = (Container(),)
    if may_have_two and dice.random() < 0.3:
        containers = tuple(Container(one, dice.choice(CONTAINER_PRIORITIES)) for one in ("main", "side"))
    pod = Pod(
        name,
        priority=dice.choice(PRIORITIES),
        qos=qos,
        oom_score_adj=ADJUSTMENTS[qos],
        request_mebibytes=dice.choice([0, 10, 60]),
        unit=dice.choice(["Container", "Container", "Pod"]),
        containers=containers,
    )
    match dice.randrange(10):
        case 0:
            return replace(pod, priority=None, protect="Always")
        case 1:
            return replace(pod, priority=None, protect="Request")
        case 2:
            return replace(pod, priority=None, unit="Container", is_known=False, containers=(Container(),))
    return pod


def _memcgs(pod: Pod, usage: Mapping[str, float], first_id: int) -> list[Memcg]:
    """A pod as the specification sees it."""
    paths = [pod.path_of(container) for container in pod.containers]
    total, request = sum(int(usage[path] * MEBIBYTE) for path in paths), pod.request_mebibytes * MEBIBYTE
    is_protected = pod.protect == "Always" or (pod.protect == "Request" and total <= request)
    priority = DEFAULT_PRIORITY if pod.priority is None else pod.priority
    found = [
        Memcg(
            pod.path,
            first_id,
            priority=priority if pod.is_known else None,
            usage_bytes=total,
            request_bytes=request,
            protected=is_protected,
            unit=pod.unit == "Pod",
        )
    ]
    for number, (path, container) in enumerate(zip(paths, pod.containers, strict=True), start=1):
        found.append(
            Memcg(
                path,
                first_id + number,
                priority=container.priority,
                usage_bytes=int(usage[path] * MEBIBYTE),
                request_bytes=request,
                unit=True,
                known=pod.is_known,
            )
        )
    return [*found, Memcg(pod.sandbox_path, first_id + len(found), killable=False, unit=True)]
