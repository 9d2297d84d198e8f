"""Which oom_score_adj the processes of each container should have, so that the kernel's own choice is ours. Pure.

A fast allocator can beat any program in user space; then the kernel kills the process with the highest badness: its
memory, swap and page tables, plus oom_score_adj thousandths of what the domain has in all. So the classes of containers
that die one after the other are set apart: the first stands at 1000, each one after it lower than the one before by
more than the largest container in it could make up for, and what is protected at -998.

Everybody's memory together is no more than the node has. So the steps always fit between 1000 and 0, and candidates
stay above the services of the host, which stand at 0 and are not to die. What is left over gives room to grow, for the
first victims first: where the measured usage and the free memory are right, the first class is ahead of all others
whoever takes what is free. Later classes are in order by what they use now, and gain room as those before them go.

What it cannot do:

- Order containers within a class, by their own priority or the policy's tie-break: the largest process dies.
- See a container as one: the kernel counts and kills single processes (with `memory.oom.group`, all of the container).
- Order by anything in a pod's or container's own memory limit, where only its own processes are candidates.
- Reach a container before the guard has seen it: until then it has what kubelet gave it, as have pods that nobody told
  the node about, whose memory only counts as not being free.
- Touch what is outside kubepods: a memcg of the host keeps its value, whatever its target says.
- Keep a process that may (CAP_SYS_RESOURCE) from setting its own value again, until the next look.
- Keep values apart that differ within one container: all its processes get the same, but for those at -1000.
"""

from collections.abc import Sequence
from mmap import PAGESIZE

from oompolicy_agent.guard.layout import Place
from oompolicy_agent.guard.order import classes
from oompolicy_agent.guard.snapshot import Facts, is_container, snapshot_of
from oompolicy_agent.guard.targets import Targets

__all__ = ["FIRST", "PROTECTED", "wanted"]

FIRST = 1000
"""Of those who die first. It outweighs everybody at 0 or below, whatever their size."""
LAST = 0
"""Of candidates, as long as their steps fit above it: below it a service of the host would die in their place."""
PROTECTED = -998
"""Kubelet, the runtime and sandboxes have that or less; -1000 would make the kernel panic where nobody else is left."""
PARTS = 1000
"""oom_score_adj counts thousandths of the domain, each rounded down to whole pages."""
COARSE, BUDGET = 8, 100
"""Steps are rounded up to so much where there is plenty, so that not every byte makes a new value; together that may
cost so much."""
ROOM = 125
"""Room to grow is rounded up to so much, for the same reason."""


def wanted(tree: Sequence[Place], targets: Targets, facts: Facts, total: int) -> dict[str, tuple[int, int]]:
    """The memcg id and the oom_score_adj for each container that the node was told about, by path.

    First victims and the protected come first in it: where not all can be adjusted, these are.

    Args:
        tree: what is on the node.
        targets: what the node was told.
        facts: with the usage of every container, as a kill would give it back, swap included.
        total: RAM and swap in bytes; where all pods together have a lower limit, that limit with the swap they may use.
    """
    share = total // PAGESIZE // PARTS * PAGESIZE
    if share == 0:
        return {}
    groups, protected = _sorted_out(tree, targets, facts)
    free = max(0, total - sum(_usage(place, facts) for place in tree if place.container_id)) // share
    values = _values([_step(group, facts, share) for group in groups], _step(protected, facts, share), free)
    found = {place.path: (place.id, value) for group, value in zip(groups[:1], values, strict=False) for place in group}
    found |= {place.path: (place.id, PROTECTED) for place in protected}
    return found | {
        place.path: (place.id, value) for group, value in zip(groups, values, strict=True) for place in group
    }


def _values(steps: Sequence[int], protected: int, free: int) -> list[int]:
    """One value for each class, first to die first.

    Args:
        steps: how much lower each class must be than the one before it.
        protected: the same for those who are never to die.
        free: how much anybody may grow, in the same unit.
    """
    rounding = max(1, min(COARSE, BUDGET // max(1, len(steps))))
    rounded, most_room = [_up(step, rounding) for step in steps], _up(free, ROOM)
    if sum(rounded[1:]) + free <= FIRST - LAST:
        steps = rounded
    left = max(0, FIRST - LAST - sum(steps[1:]))
    lowest = min(LAST, FIRST - sum(steps[1:]))
    bottom = max(lowest, PROTECTED + max(1, min(protected, FIRST - PROTECTED)))
    values, value = [], FIRST
    for number, step in enumerate(steps):
        if number:
            room = min(left, most_room)
            left -= room
            value = max(bottom, value - step - room)
        values.append(value)
    return values


def _sorted_out(tree: Sequence[Place], targets: Targets, facts: Facts) -> tuple[list[list[Place]], list[Place]]:
    """The classes of those who may die, first to die first, and those who may not; only whom the node was told about.

    The guard's own pod is in neither: its values are its manifest's affair.
    """
    known = targets.pods.keys() - facts.own
    ours = [place for place in tree if place.pod_uid in known and is_container(place, targets, facts.roles)]
    protected_pods = {memcg.path for memcg in snapshot_of(tree, targets, facts, "/").cgroups if memcg.protected}
    protected = [place for place in ours if place.parent in protected_pods]
    may_die = {place.path for place in ours} - {place.path for place in protected}
    groups = ([place for place in one.leaves if place.path in may_die] for one in classes(tree, targets, facts))
    return [group for group in groups if group], protected


def _step(group: Sequence[Place], facts: Facts, share: int) -> int:
    """By how much all of them must be lower than somebody who holds nothing at all, to be behind him."""
    return max((_usage(place, facts) for place in group), default=0) // share + 1


def _usage(place: Place, facts: Facts) -> int:
    return facts.usage.get(place.id, 0)


def _up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
