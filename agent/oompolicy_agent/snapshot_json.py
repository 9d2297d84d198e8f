"""A recorded tree as JSON: read with every field checked, and written back; decisions as JSON too.

The format is a public interface: other tools write these files and read the order. What is refused is refused with a
`SnapshotError` that names the field.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from oompolicy_agent.model import Candidate, Layer, Memcg, Snapshot, TieBreak

__all__ = ["SnapshotError", "candidate_document", "layer_document", "parse", "parsed", "snapshot_document"]

Reader = Callable[[str, object], Any]
"""Checks one value, whose field it is told, and returns it as Python has it."""

_LONGEST_PATH: Final = 16384
"""In characters: four times PATH_MAX, because memcgs can be nested deeper than one path can reach."""
_MOST_NAMES: Final = 1 << 20
"""In all paths together, so that the tree fits into memory; a kernel has at most 65,535 memcgs (16-bit ids)."""
_MOST_DIGITS: Final = 40
"""More than any bound has; the rest of a number is not worth converting."""
_LONGEST_SHOWN: Final = 60
_NO_NAMES: Final = frozenset(("", ".", ".."))
_NO_CHARACTERS: Final = frozenset("\0\n")
"""The kernel refuses both in the name of a cgroup."""


class SnapshotError(ValueError):
    """A snapshot that is refused; `field` is where, `problem` says what was expected and what was found."""

    def __init__(self, field: str, problem: str) -> None:
        self.field = field
        self.problem = problem
        super().__init__(f"{field}: {problem}")


def parse(document: bytes) -> Snapshot:
    """The snapshot in a JSON document. Raises SnapshotError for the first thing that is wrong with it."""
    return parsed(_decoded(document))


def parsed(document: object) -> Snapshot:
    """The same, of a document that has been decoded."""
    fields = _fields("", document, _SNAPSHOT, required=("domain", "cgroups"))
    snapshot = Snapshot(**fields)
    _check_domain(snapshot)
    return snapshot


def snapshot_document(snapshot: Snapshot) -> dict[str, object]:
    """The JSON object that `parse` reads back as `snapshot`."""
    return {
        "domain": snapshot.domain,
        "defaultPriority": snapshot.default_priority,
        "tieBreak": snapshot.tie_break.value,
        "cgroups": [{key: getattr(memcg, name) for key, (name, _) in _CGROUP.items()} for memcg in snapshot.cgroups],
    }


def candidate_document(candidate: Candidate) -> dict[str, object]:
    """One entry of the order."""
    return {"path": candidate.path, "layers": [layer_document(layer) for layer in candidate.layers]}


def layer_document(layer: Layer) -> dict[str, object]:
    """One layer of a decision, as the order and the journal have it."""
    return {
        "parent": layer.parent,
        "chosen": layer.chosen.path,
        "spared": list(layer.spared),
        "decidedBy": layer.decided_by.value,
    }


def _decoded(document: bytes) -> object:
    try:
        return json.loads(
            document.decode(), object_pairs_hook=_unique_keys, parse_int=lambda digits: int(digits[:_MOST_DIGITS])
        )
    except SnapshotError:
        raise
    except RecursionError:
        raise SnapshotError("snapshot", "expected JSON, found it nested too deeply") from None
    except ValueError as error:  # JSONDecodeError and UnicodeDecodeError are
        raise SnapshotError("snapshot", f"expected JSON, found something malformed: {error}") from None


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise SnapshotError(_shown(twice), "expected once in an object, found twice")
    return fields


def _fields(
    where: str, found: object, readers: Mapping[str, tuple[str, Reader]], required: tuple[str, ...]
) -> dict[str, Any]:
    """The fields of one object under their Python names; absent ones are left to the defaults of the dataclass."""
    if not isinstance(found, dict):
        raise SnapshotError(where.rstrip(".") or "snapshot", f"expected an object, found {_shown(found)}")
    for name in required:
        if name not in found:
            raise SnapshotError(where + name, "expected it to be given, found nothing: it is required")
    values = {}
    for key, value in found.items():
        if key not in readers:
            raise SnapshotError(where + _shown(key), f"unknown field; expected one of {', '.join(readers)}")
        name, read = readers[key]
        values[name] = read(where + key, value)
    return values


def _cgroup(field: str, found: object) -> Memcg:
    fields = _fields(field + ".", found, _CGROUP, required=("path", "id"))
    if fields.get("priority") is not None and fields.get("known") is False:
        raise SnapshotError(field + ".known", "expected true where a priority is set, found false")
    return Memcg(**fields)


def _cgroups(field: str, found: object) -> tuple[Memcg, ...]:
    if not isinstance(found, list):
        raise SnapshotError(field, f"expected a list, found {_shown(found)}")
    memcgs = tuple([_cgroup(f"{field}[{index}]", item) for index, item in enumerate(found)])
    if sum(memcg.path.count("/") for memcg in memcgs) > _MOST_NAMES:
        raise SnapshotError(field, f"expected at most {_MOST_NAMES} names in all paths together, found more")
    _check_unique(field, "path", [memcg.path for memcg in memcgs])
    _check_unique(field, "id", [memcg.id for memcg in memcgs])
    return memcgs


def _check_unique(field: str, name: str, values: Sequence[object]) -> None:
    first: dict[object, int] = {}
    for index, value in enumerate(values):
        if first.setdefault(value, index) != index:
            problem = f"expected it once, found {_shown(value)} in {field}[{first[value]}] too"
            raise SnapshotError(f"{field}[{index}].{name}", problem)


def _check_domain(snapshot: Snapshot) -> None:
    """The root always exists; any other domain must be a memcg of the snapshot, or an ancestor of one."""
    below = snapshot.domain.rstrip("/") + "/"
    if snapshot.domain != "/" and not any((memcg.path + "/").startswith(below) for memcg in snapshot.cgroups):
        raise SnapshotError("domain", f"expected a memcg of the snapshot, found unknown {_shown(snapshot.domain)}")


def _path(field: str, found: object) -> str:
    if not isinstance(found, str) or len(found) > _LONGEST_PATH:
        raise SnapshotError(field, f"expected a path of at most {_LONGEST_PATH} characters, found {_shown(found)}")
    is_clean = found.startswith("/") and _NO_NAMES.isdisjoint(found[1:].split("/")) and _NO_CHARACTERS.isdisjoint(found)
    if found != "/" and not is_clean:
        problem = f'expected an absolute path without "//", ".", ".." or a slash at its end, found {_shown(found)}'
        raise SnapshotError(field, problem)
    return found


def _flag(field: str, found: object) -> bool:
    if not isinstance(found, bool):
        raise SnapshotError(field, f"expected true or false, found {_shown(found)}")
    return found


def _tie_break(field: str, found: object) -> TieBreak:
    values = [member.value for member in TieBreak]
    if found not in values:
        raise SnapshotError(field, f"expected one of {', '.join(values)}, found {_shown(found)}")
    return TieBreak(found)


def _integer(low: int, high: int, what: str) -> Reader:
    def read(field: str, found: object) -> int:
        if not isinstance(found, int) or isinstance(found, bool) or not low <= found <= high:
            raise SnapshotError(field, f"expected {what}, found {_shown(found)}")
        return found

    return read


_priority: Final = _integer(-(2**31), 2**31 - 1, "a 32-bit integer")
_size: Final = _integer(0, 2**63 - 1, "a number of bytes, an integer from 0")
_id: Final = _integer(1, 2**64 - 1, "a positive integer")


def _priority_or_none(field: str, found: object) -> int | None:
    return None if found is None else _priority(field, found)


def _shown(value: object) -> str:
    """`value` on one line, shortened."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    text = json.dumps(value)
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "..."


_CGROUP: Final[dict[str, tuple[str, Reader]]] = {
    "path": ("path", _path),
    "id": ("id", _id),
    "priority": ("priority", _priority_or_none),
    "usageBytes": ("usage_bytes", _size),
    "requestBytes": ("request_bytes", _size),
    "protected": ("protected", _flag),
    "killable": ("killable", _flag),
    "unit": ("unit", _flag),
    "known": ("known", _flag),
}
_SNAPSHOT: Final[dict[str, tuple[str, Reader]]] = {
    "domain": ("domain", _path),
    "defaultPriority": ("default_priority", _priority),
    "tieBreak": ("tie_break", _tie_break),
    "cgroups": ("cgroups", _cgroups),
}
