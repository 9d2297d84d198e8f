"""Gathers what a file has that this version does not know, while it is read: bounded, whatever the file holds."""

from oompolicy_agent.guard.fields import Object

__all__ = ["Findings"]

MOST_PROBLEMS = 16
MOST_NAMES = 16
LONGEST_NAME = 64


class Findings:
    """Of one file."""

    def __init__(self) -> None:
        self._problems: list[str] = []
        self._more_problems = 0
        self._names: dict[str, None] = {}
        self._has_more_names = False

    @property
    def problems(self) -> tuple[str, ...]:
        """One sentence for each value that is not known, in the file's order; the last may say how many more."""
        more = (f"{self._more_problems} more values are not known to this version",) if self._more_problems else ()
        return (*self._problems, *more)

    @property
    def unknown_fields(self) -> tuple[str, ...]:
        """The fields that are not known, in a list's entries without their number; the last may be `...`: and more."""
        return (*sorted(self._names), *(("...",) if self._has_more_names else ()))

    def report(self, problem: str) -> None:
        """Takes down a value that is not known, and what is done about it."""
        if len(self._problems) < MOST_PROBLEMS:
            self._problems.append(problem)
        else:
            self._more_problems += 1

    def check_names(self, prefix: str, fields: Object, known: frozenset[str]) -> None:
        """Takes down the fields of an object that are not `known`, each as `prefix` followed by its name."""
        if fields.keys() <= known:
            return
        for name in fields:
            if name not in known:
                self._take_down(prefix + (name if name.isprintable() else ascii(name)[1:-1])[:LONGEST_NAME])

    def _take_down(self, name: str) -> None:
        if len(self._names) < MOST_NAMES:
            self._names[name] = None
        elif name not in self._names:
            self._has_more_names = True
