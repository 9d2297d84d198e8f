"""Runs in a machine on a tree of pod_tree.py: what the guard's parts of a decision cost there. Prints one JSON object.

Times are medians in microseconds: per container, or for the whole where the name of the figure says so.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from oompolicy_agent.guard.assist import Assist
from oompolicy_agent.guard.assist_chooser import AssistChooser
from oompolicy_agent.guard.assist_load import MOST_TARGETS, load
from oompolicy_agent.guard.census import Census
from oompolicy_agent.guard.chooser import Chooser
from oompolicy_agent.guard.layout import Kind, Place
from oompolicy_agent.guard.listing import Listing
from oompolicy_agent.guard.memcgs import MOST_HELD, CgroupFS
from oompolicy_agent.guard.order import classes
from oompolicy_agent.guard.sandboxes import Roles
from oompolicy_agent.guard.settings import Limits
from oompolicy_agent.guard.syscalls import lock_memory
from oompolicy_agent.guard.targets import ContainerTarget, PodTarget, Policy, Targets
from oompolicy_agent.guard.tree_watch import TreeWatch
from pod_tree import container_id, pod_uid

CGROUPS = "/sys/fs/cgroup"
BPF = "/opt/oompolicy-bpf"
"""Where scan.py has put the program and its loader."""
TAKE = f"exec {sys.executable} -m difficult.watchers exhaust --leave 12 --of node"
EXHAUST = ("sh", "-c", f"echo 1000 > /proc/self/oom_score_adj; {TAKE}")
"""Leaves 12 MiB available; if that is too little for somebody, it is the one to die."""
LEVELS = 20
"""Priorities; the pods are spread over them, so the class that dies first is a twentieth of all."""


def microseconds(work: Callable[[], object], repeats: int) -> float:
    """The median of a few runs."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1e6)
    return median(times)


def targets(pods: int, each: int) -> Targets:
    """Every pod with a priority; those with a process in them, which are the first, have all of them."""
    told = {}
    for pod in range(pods):
        names = [container_id(pod, container) for container in range(each)]
        known = {name: ContainerTarget("c", name) for name in names}
        told[pod_uid(pod)] = PodTarget(pod_uid(pod), "n", str(pod), pod % LEVELS, containers=known)
    return Targets(Policy("p", "u", 1, "Enforce"), told)


def measure(pods: int, each: int, repeats: int) -> dict[str, float]:
    """All of it on the tree that is there."""
    cgroups = CgroupFS(CGROUPS)
    census = Census(cgroups, Roles("/"), Limits(), "")
    census.refresh(time.monotonic())
    told = targets(pods, each)
    chooser = Chooser(cgroups, census, "/proc")
    leaves = [place for place in census.tree if place.kind is Kind.CONTAINER]
    count, held = len(leaves), leaves[: MOST_HELD // 3]
    listing = Listing(cgroups, "/proc", TreeWatch())

    def read(places: list[Place]) -> None:
        for place in places:
            cgroups.is_populated(place.path)
            cgroups.usage(place.path, with_swap=False)

    def list_all() -> None:
        listing.forget()
        listing.tree(())

    def walk() -> None:
        for _ in os.walk(f"{CGROUPS}/kubepods"):
            pass

    def choose() -> None:
        if not chooser.choose(told, "/", with_swap=False, excluded=frozenset(), futile=frozenset()):
            raise RuntimeError("expected a victim in the first class, found none: is the tree populated?")

    facts = census.facts(time.monotonic())
    first = classes(census.tree, told, facts)[0].leaves
    result = {
        "containers": count,
        "walk": microseconds(walk, repeats) / count,
        "list": microseconds(list_all, repeats) / count,
        "relist": microseconds(lambda: listing.tree(()), repeats) / count,
        "read": microseconds(lambda: read(leaves), repeats) / count,
        "readSome": microseconds(lambda: read(held), repeats) / len(held),
        "sort": microseconds(lambda: classes(census.tree, told, facts), repeats) / count,
        "readAllWhole": microseconds(lambda: read(leaves), repeats),
        "readFirstWhole": microseconds(lambda: read(first), repeats),
    }
    cgroups.hold([(place.path, name) for place in held for name in ("memory.current", "memory.stat", "cgroup.events")])
    result["readHeld"] = microseconds(lambda: read(held), repeats) / len(held)
    choose()
    result["chooseOpeningWhole"] = microseconds(choose, repeats)
    chooser.prepare(told, with_swap=False)
    result["chooseWhole"] = microseconds(choose, repeats)
    choice = chooser.choose(told, "/", with_swap=False, excluded=frozenset(), futile=frozenset())
    result |= assisted(chooser, told, repeats)
    result["explainWhole"] = microseconds(lambda: next(choice.view.order()) if choice else None, repeats)
    return result


def assisted(chooser: Chooser, told: Targets, repeats: int) -> dict[str, float]:
    """The same choice by the program in the kernel: its own time, and with all that the guard does about it."""
    start = time.perf_counter()
    assist = Assist(load(BPF, MOST_TARGETS))
    loaded = time.perf_counter()
    by_kernel = AssistChooser(chooser, assist)
    by_kernel.prepare(told)
    prepared = time.perf_counter()
    root, policy = Path(CGROUPS).stat().st_ino, told.policy or Policy("p", "u", 1, "Enforce")
    answers = [assist.ask(root, policy, with_swap=False) for _ in range(repeats)]

    def choose(by: Chooser | AssistChooser) -> None:
        if not by.choose(told, "/", with_swap=False, excluded=frozenset(), futile=frozenset()):
            raise RuntimeError("expected a victim, found none")

    calm = microseconds(lambda: choose(by_kernel), repeats)
    with shortage():
        pressed = [assist.ask(root, policy, with_swap=False).nanoseconds for _ in range(repeats)]
        short = {
            "assistRunShortWhole": median(pressed) / 1000,
            "assistRunShortMost": max(pressed) / 1000,
            "assistChooseShortWhole": microseconds(lambda: choose(by_kernel), repeats),
            "chooseShortWhole": microseconds(lambda: choose(chooser), repeats),
        }
    return short | {
        "assistFlushWhole": median(answer.flush_nanoseconds for answer in answers) / 1000,
        "assist": median(answer.nanoseconds / answer.visited for answer in answers) / 1000,
        "assistRunWhole": median(answer.nanoseconds for answer in answers) / 1000,
        "assistChooseWhole": calm,
        "assistLoadWhole": (loaded - start) * 1e6,
        "assistTellWhole": (prepared - loaded) * 1e6,
    }


@contextmanager
def shortage() -> Iterator[None]:
    """Somebody else has taken nearly all memory; ours stays where it is, as the guard's does."""
    if problem := lock_memory():
        raise OSError(problem)
    Path("/proc/self/oom_score_adj").write_text("-1000")
    with subprocess.Popen(EXHAUST, stdout=subprocess.PIPE) as taker:
        if not (taker.stdout and taker.stdout.readline().startswith(b"leaves")):
            raise RuntimeError("expected all memory to be taken, but whoever took it has ended")
        try:
            yield
        finally:
            taker.kill()


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
