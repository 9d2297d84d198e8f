"""A handler whose process was killed as soon as it was in force: what it does is read from what is pinned."""

import contextlib
import os
from collections.abc import Callable, Iterator

from kernel_oom.hook import BPFFS, Decider, found_in
from kernel_oom.mortal import last_words
from oompolicy_agent.guard.assist_abi import TARGET_SIZE, Target
from oompolicy_agent.guard.bpf import Map, pin, pinned
from oompolicy_agent.guard.hook import DIRECTORY
from oompolicy_agent.guard.hook_abi import RING_BYTES, Verdict
from oompolicy_agent.guard.ring_buffer import RingBuffer

__all__ = ["Orphan"]

TARGETS = BPFFS / "targets_of_the_dead"
"""Where it pins its map of targets, which a guard does not: who but us wants to know what the handler has measured?"""


class Orphan:
    """In force in the place of whatever was, with what `tell` has told it."""

    def __init__(self, directory: str, tell: Callable[[Decider], None]) -> None:
        self.forget()
        last_words(lambda: _put_in_force(directory, tell))

    @staticmethod
    def forget() -> None:
        """Takes away what a guard does not know of."""
        TARGETS.unlink(missing_ok=True)

    def fresh(self) -> list[Verdict]:
        """What was decided since the last call."""
        with _opened(f"{DIRECTORY}/decisions") as ring:
            return [Verdict.unpacked(record) for record in RingBuffer(ring, RING_BYTES).read()]

    def found(self, id_: int) -> Target:
        """As of a decider."""
        with _opened(str(TARGETS)) as targets:
            return found_in(Map(targets, TARGET_SIZE), id_)


def _put_in_force(directory: str, tell: Callable[[Decider], None]) -> None:
    decider = Decider(directory)
    tell(decider)
    pin(decider.targets.descriptor, str(TARGETS))


@contextlib.contextmanager
def _opened(path: str) -> Iterator[int]:
    descriptor = pinned(path)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
