"""Checks single fields of JSON that comes from outside; each check returns the value or says what was wrong with it."""

import json
from collections.abc import Iterator

__all__ = [
    "BYTES",
    "INT32",
    "FieldError",
    "Object",
    "boolean",
    "cgroup_name",
    "integer",
    "integer_or_none",
    "items",
    "mapping",
    "string",
    "string_or_none",
]

INT32 = range(-(2**31), 2**31)
BYTES = range(2**63)
LONGEST_NAME = 253
"""The longest name Kubernetes gives to anything."""
LONGEST_SHOWN = 80

Object = dict[str, object]


class FieldError(ValueError):
    """A field that is refused; the message names it, what was expected and what was found, and what to do about it."""

    def __init__(self, field: str, expected: str, found: object, advice: str = "") -> None:
        super().__init__(f"{field}: expected {expected}, found {_shown(found)}{advice and '; '}{advice}")
        self.field = field


def mapping(field: str, found: object) -> Object:
    """A JSON object."""
    if not isinstance(found, dict):
        raise FieldError(field, "an object", found)
    return found


def items(field: str, found: object, most: int) -> Iterator[tuple[str, Object]]:
    """The objects of a list, each with its own field name; an absent list is empty."""
    if found is None:
        return
    if not isinstance(found, list):
        raise FieldError(field, "a list", found)
    if len(found) > most:
        raise FieldError(field, f"at most {most} entries", len(found))
    for index, item in enumerate(found):
        name = f"{field}[{index}]"
        yield name, mapping(name, item)


def string(field: str, found: object, longest: int = LONGEST_NAME) -> str:
    """A name or a word, of at most `longest` characters."""
    if not isinstance(found, str) or len(found) > longest or not found.isprintable():
        raise FieldError(field, f"at most {longest} printable characters", found)
    return found


def strings(field: str, found: object, most: int) -> tuple[str, ...]:
    """The names of a list of at most `most`; an absent list is empty."""
    if found is None:
        return ()
    if not isinstance(found, list) or len(found) > most:
        raise FieldError(field, f"a list of at most {most} names", found)
    return tuple(string(f"{field}[{index}]", item) for index, item in enumerate(found))


def string_or_none(field: str, found: object) -> str | None:
    """As `string`; None where nothing is said."""
    return None if found is None else string(field, found)


def cgroup_name(field: str, found: object) -> str:
    """The name of one directory in the cgroup tree."""
    name = string(field, found)
    if not name or "/" in name or name in {".", ".."}:
        raise FieldError(field, "the name of a cgroup", found)
    return name


def integer(field: str, found: object, bounds: range) -> int:
    """An integer within `bounds`; true and false are none."""
    if type(found) is not int or found not in bounds:
        raise FieldError(field, f"an integer from {bounds.start} to {bounds.stop - 1}", found)
    return found


def integer_or_none(field: str, found: object, bounds: range) -> int | None:
    """As `integer`; None where nothing is said."""
    return None if found is None else integer(field, found, bounds)


def boolean(field: str, found: object) -> bool:
    """True or false; false where nothing is said."""
    if found is not None and type(found) is not bool:
        raise FieldError(field, "true or false", found)
    return bool(found)


def _shown(found: object) -> str:
    """A short text for any JSON value; what nests is not shown, because it may nest deeper than the stack."""
    if isinstance(found, dict):
        return "an object"
    if isinstance(found, list):
        return "a list"
    return json.dumps(found[:LONGEST_SHOWN] if isinstance(found, str) else found)[:LONGEST_SHOWN]
