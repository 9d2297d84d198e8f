"""Our own policy in force in the machine that this runs in, without a guard: what it is told and has decided."""

import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from oompolicy_agent.guard.assist_abi import TARGET_SIZE, Target, key_of
from oompolicy_agent.guard.assist_load import OBJECT, load_object
from oompolicy_agent.guard.bpf import Map
from oompolicy_agent.guard.hook import Hook
from oompolicy_agent.guard.hook_abi import Counts, Mode, Terms, Verdict
from oompolicy_agent.model import TieBreak
from random_oom.worker import CGROUPS

__all__ = ["BPFFS", "FOR_NANOSECONDS", "Decider", "found_in"]

MOST_TARGETS = 4096
FOR_NANOSECONDS = 3600 * 10**9
BPFFS = Path("/sys/fs/bpf")


class Decider:
    """Loads the handler and puts it in force; it stays so when this process ends."""

    def __init__(self, directory: str, most_targets: int = MOST_TARGETS) -> None:
        BPFFS.mkdir(exist_ok=True)
        if not os.path.ismount(BPFFS):
            subprocess.run(["mount", "-t", "bpf", "bpf", BPFFS], check=True)
        loaded = load_object(directory, OBJECT, most_targets)
        self.targets = Map(loaded["targets"], TARGET_SIZE)
        self._hook = Hook(loaded)
        self._told: set[int] = set()
        root = os.open(CGROUPS, os.O_RDONLY | os.O_DIRECTORY)
        self.left: list[Verdict] = self._hook.put_in_force(root, Terms(Mode.OFF, 0))
        """What a handler before this one has decided, and nobody has read."""
        os.close(root)
        self.verdicts: list[Verdict] = []
        """All that were read since it was told."""

    def tell(
        self,
        targets: Mapping[int, Target],
        mode: Mode = Mode.ENFORCE,
        nanoseconds: int = FOR_NANOSECONDS,
        *,
        default_priority: int = 0,
        tie_break: TieBreak = TieBreak.LARGEST_USAGE,
    ) -> None:
        """Makes it know these and no others, and decide so for that long; forgets what it has decided."""
        for id_ in self._told:
            self.targets.drop(key_of(id_))
        self._told = set(targets)
        self.targets.put_all({key_of(id_): target.packed() for id_, target in targets.items()})
        until = time.clock_gettime_ns(time.CLOCK_BOOTTIME) + nanoseconds
        self._hook.renew(Terms(mode, until, default_priority, tie_break))
        self._hook.read()
        self.verdicts.clear()

    def listen(self) -> list[Verdict]:
        """All that it has decided since it was told."""
        self.verdicts += self.fresh()
        return self.verdicts

    def fresh(self) -> list[Verdict]:
        """What it has decided since this was last asked."""
        return self._hook.read()

    def found(self, id_: int) -> Target:
        """What the map says of a memcg that it was told of, with what the last run has measured."""
        return found_in(self.targets, id_)

    @property
    def counts(self) -> Counts:
        """How often it was asked, and what for."""
        return self._hook.counts


def found_in(targets: Map, id_: int) -> Target:
    """What the map of targets says of one of them."""
    value = targets.get(key_of(id_))
    assert value is not None
    return Target.unpacked(value)
