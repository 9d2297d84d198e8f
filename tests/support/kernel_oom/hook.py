"""Our own policy in force in the machine that this runs in, without a guard: what it is told and has decided."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from oompolicy_agent.guard.assist_abi import TARGET_SIZE, Target, key_of
from oompolicy_agent.guard.assist_load import OBJECT, load_object
from oompolicy_agent.guard.bpf import Map, attach, detach
from oompolicy_agent.guard.hook_abi import COUNTS_SIZE, ONLY_KEY, POLICY_SIZE, Counts, Mode, Terms, Verdict
from oompolicy_agent.guard.ring_buffer import RingBuffer
from random_oom.worker import CGROUPS

__all__ = ["Hook"]

MOST_TARGETS = 4096
RING_BYTES = 1 << 17
FOR_NANOSECONDS = 3600 * 10**9


@dataclass
class Hook:
    """Loaded and attached once; `verdicts` are all that were read so far."""

    directory: str
    verdicts: list[Verdict] = field(default_factory=list)

    def __post_init__(self) -> None:
        found = load_object(self.directory, OBJECT, MOST_TARGETS)
        self._targets = Map(found["targets"], TARGET_SIZE)
        self._policy = Map(found["policy"], POLICY_SIZE)
        self._counts = Map(found["counts"], COUNTS_SIZE)
        self._counts.put(ONLY_KEY, bytes(COUNTS_SIZE))
        self._decisions = RingBuffer(found["decisions"], RING_BYTES)
        self._link = attach(found["oomp_hook"], os.open(CGROUPS, os.O_RDONLY | os.O_DIRECTORY))
        self._told: set[int] = set()

    def close(self) -> None:
        """Takes it out of force."""
        detach(self._link)

    def tell(
        self, targets: Mapping[int, Target], mode: Mode = Mode.ENFORCE, nanoseconds: int = FOR_NANOSECONDS
    ) -> None:
        """Makes it know these and no others, and decide in this mode for so long; forgets what it has decided."""
        for id_ in self._told:
            self._targets.drop(key_of(id_))
        self._told = set(targets)
        self._targets.put_all({key_of(id_): target.packed() for id_, target in targets.items()})
        until = time.clock_gettime_ns(time.CLOCK_BOOTTIME) + nanoseconds
        self._policy.put(ONLY_KEY, Terms(mode, until).packed())
        self._decisions.read()
        self.verdicts.clear()

    def listen(self) -> list[Verdict]:
        """All that it has decided since it was told."""
        self.verdicts += [Verdict.unpacked(record) for record in self._decisions.read()]
        return self.verdicts

    @property
    def counts(self) -> Counts:
        """How often it was asked, and what for."""
        return Counts.unpacked(self._counts.get(ONLY_KEY) or bytes(COUNTS_SIZE))
