"""The policies of handlers.bpf.c, put in force in the machine that this runs in."""

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from oompolicy_agent.guard.assist_load import load_object
from oompolicy_agent.guard.bpf import Map, attach, detach, run_program
from random_oom.worker import CGROUPS

__all__ = ["Policies", "Talk"]

OBJECT, SUFFIX = "handlers.bpf.o", "_ops"
MOST_TARGETS = 16
TALK = struct.Struct("=QQQiI")
DECLARATION = struct.Struct("=Qiii")
KEY = bytes(8)


@dataclass(frozen=True, slots=True)
class Talk:
    """What a policy was told, and what it has seen."""

    victim: int = 0
    """Cgroup id."""
    asked: int = 0
    domain: int = 0
    """Cgroup id of the last one that had run out; 0: the system."""
    error: int = 0
    """Of the last attempt to kill somebody, as the kernel has it: negative."""
    killed: int = 0
    """Processes, in the last OOM."""


class Policies:
    """Loaded once; one at a time is in force."""

    def __init__(self, directory: str) -> None:
        self._descriptors = load_object(directory, OBJECT, MOST_TARGETS)
        self._talk = Map(self._descriptors["talk"], TALK.size)
        self._root = os.open(CGROUPS, os.O_RDONLY | os.O_DIRECTORY)

    @contextmanager
    def in_force(self, name: str) -> Iterator[None]:
        """While the context lasts."""
        link = self.attach(name)
        try:
            yield
        finally:
            detach(link)
            os.close(link)

    def attach(self, name: str, cgroup: int | None = None) -> int:
        """To the root or another cgroup; returns the link's descriptor."""
        return attach(self._descriptors[name + SUFFIX], self._root if cgroup is None else cgroup)

    def declare(self, memcg: int, order: int = 0) -> tuple[int, int]:
        """Declares twice in a row that a memcg has run out, by cgroup id; what the kernel answers."""
        told = bytearray(DECLARATION.pack(memcg, order, 0, 0))
        run_program(self._descriptors["declare"], told)
        _, _, first, second = DECLARATION.unpack(told)
        return first, second

    def tell(self, victim: int) -> None:
        """Whom to kill, by cgroup id; forgets what was seen."""
        self._talk.put(KEY, TALK.pack(victim, 0, 0, 0, 0))

    @property
    def heard(self) -> Talk:
        """What was seen since."""
        return Talk(*TALK.unpack(self._talk.get(KEY) or bytes(TALK.size)))
