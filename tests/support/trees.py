"""Trees of memcgs, written as short as the scenarios they come from.

`snapshot("A:10{C:5, D:6}, B:8{E:7 u=3}")` has the memcgs /A, /A/C, /A/D, /B and /B/E. A name may have slashes: the
ancestors it passes are then not listed. After the name come, in any order: `:N` priority, `u=N` usage and `r=N` request
in bytes, `id=N` (else counted from 1 in order of appearance), and the flags protected, unkillable, unit, unknown.
"""

import re
from collections.abc import Iterator
from dataclasses import replace

from oompolicy_agent.model import Memcg, Snapshot, TieBreak

__all__ = ["memcgs", "snapshot"]

_TOKEN = re.compile(r"\s*([{},]|[^{},\s]+)")
_FLAGS = {
    "protected": {"protected": True},
    "unkillable": {"killable": False},
    "unit": {"unit": True},
    "unknown": {"known": False},
}
_NUMBERS = {"u": "usage_bytes", "r": "request_bytes", "id": "id"}


def snapshot(
    text: str, domain: str = "/", default_priority: int = 0, tie_break: TieBreak = TieBreak.LARGEST_USAGE
) -> Snapshot:
    """The snapshot of the tree in `text`."""
    return Snapshot(domain, memcgs(text), default_priority, tie_break)


def memcgs(text: str) -> tuple[Memcg, ...]:
    """The memcgs of the tree in `text`, parents before children."""
    found: list[Memcg] = []
    above: list[str] = []
    path = ""
    for word in _words(text):
        if word == "{":
            above.append(path)
        elif word == "}":
            path = above.pop()
        elif word != ",":
            found, path = _with(found, word, above[-1] if above else "")
    return tuple(found)


def _words(text: str) -> Iterator[str]:
    """Braces and commas as they are; a memcg with all its words as one word."""
    memcg: list[str] = []
    for word in _TOKEN.findall(text):
        if word not in "{},":
            memcg.append(word)
            continue
        if memcg:
            yield " ".join(memcg)
        memcg = []
        yield word
    if memcg:
        yield " ".join(memcg)


def _with(found: list[Memcg], words: str, above: str) -> tuple[list[Memcg], str]:
    head, *attributes = words.split()
    name, _, priority = head.partition(":")
    memcg = Memcg(f"{above}/{name}", len(found) + 1, int(priority) if priority else None)
    for attribute in attributes:
        key, _, number = attribute.partition("=")
        changes = {_NUMBERS[key]: int(number)} if number else _FLAGS[key]
        memcg = replace(memcg, **changes)
    return [*found, memcg], memcg.path
