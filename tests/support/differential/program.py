"""The BPF program and its map, without a guard."""

from collections.abc import Iterable, Mapping

from oompolicy_agent.guard.assist_abi import TARGET_SIZE, Answer, Question, Target, key_of
from oompolicy_agent.guard.assist_load import load
from oompolicy_agent.guard.bpf import Map, run_program

__all__ = ["Program"]

MOST_TARGETS = 4096


class Program:
    """Loaded once."""

    def __init__(self, directory: str) -> None:
        loaded = load(directory, MOST_TARGETS)
        self._targets, self._program = Map(loaded.targets, TARGET_SIZE), loaded.program

    def tell(self, targets: Mapping[int, Target]) -> None:
        """Puts these into the map, by memcg id."""
        self._targets.put_all({key_of(id_): target.packed() for id_, target in targets.items()})

    def forget(self, ids: Iterable[int]) -> None:
        """Takes these out of it."""
        for id_ in ids:
            self._targets.drop(key_of(id_))

    def found(self, id_: int) -> Target | None:
        """What the map says, with what the last run has measured."""
        value = self._targets.get(key_of(id_))
        return Target.unpacked(value) if value else None

    def ask(self, question: Question) -> Answer:
        """One run."""
        context = question.packed()
        run_program(self._program, context)
        return Answer.unpacked(context)
