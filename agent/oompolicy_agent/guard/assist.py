"""KernelAssist: keeps the BPF program told of who is on the node, and asks it who dies first."""

import errno
import resource
from collections.abc import Iterable, Mapping
from dataclasses import replace

from oompolicy_agent.guard.assist_abi import TARGET_SIZE, Answer, Flag, Question, RunError, Target, key_of
from oompolicy_agent.guard.assist_load import Loaded
from oompolicy_agent.guard.bpf import Map, run_program
from oompolicy_agent.guard.targets import Policy

__all__ = ["Assist"]


class Assist:
    """One program and its map. Every method raises OSError when the kernel does not do as it is asked."""

    def __init__(self, loaded: Loaded) -> None:
        self._map = Map(loaded.targets, TARGET_SIZE)
        self._program = loaded.program
        self._entries = loaded.entries
        self._page = resource.getpagesize()
        self._told: dict[int, Target] = {}
        self._excluded: set[int] = set()
        self._runs = 0

    def tell(self, wanted: Mapping[int, Target]) -> None:
        """Makes the map say exactly this, by memcg id."""
        self.readmit()
        for id_ in self._told.keys() - wanted.keys():
            self._map.drop(key_of(id_))
            del self._told[id_]
        self._put({id_: target for id_, target in wanted.items() if self._told.get(id_) != target})
        self._told = dict(wanted)

    def exclude(self, ids: Iterable[int]) -> None:
        """Makes memcgs no candidates until they are readmitted."""
        found = {id_: target for id_ in ids if (target := self._told.get(id_)) is not None}
        self._excluded.update(found)
        self._put({id_: replace(target, flags=target.flags | Flag.EXCLUDED) for id_, target in found.items()})

    def readmit(self) -> None:
        """Makes whoever was excluded a candidate again."""
        self._put({id_: self._told[id_] for id_ in self._excluded})
        self._excluded.clear()

    def ask(self, domain: int, policy: Policy, *, with_swap: bool) -> Answer:
        """One run: who dies first in the domain with this cgroup id."""
        self._runs += 1
        page = self._page if with_swap else 0
        context = Question(domain, self._runs, policy.default_priority, policy.tie_break, page).packed()
        run_program(self._program, context)
        answer = Answer.unpacked(context)
        if answer.error is not RunError.OK:
            raise OSError(f"the program in the kernel says {answer.error.name}")
        return answer

    def usage(self, ids: Iterable[int] | None = None, run: int | None = None) -> dict[int, int]:
        """What the last run, or that one, has measured, in bytes by memcg id; of all, or of these."""
        found, wanted = {}, self._runs if run is None else run
        for id_ in self._told if ids is None else ids:
            value = self._map.get(key_of(id_))
            if value is not None and (target := Target.unpacked(value)).run == wanted:
                found[id_] = target.usage_bytes
        return found

    def _put(self, targets: Mapping[int, Target]) -> None:
        try:
            self._map.put_all({key_of(id_): target.packed() for id_, target in targets.items()})
        except OSError as error:
            if error.errno == errno.E2BIG:
                raise OSError(errno.E2BIG, f"more than {self._entries} memcgs have something to be said of") from error
            raise
