"""What agent/bpf/intf.h says, for those who compare it with what Python says."""

import re
from math import prod
from pathlib import Path

__all__ = ["DEFINED", "constants", "size_of"]

HEADER = (Path(__file__).parents[2] / "agent/bpf/intf.h").read_text()
DEFINED = {name: int(value) for name, value in re.findall(r"#define (OOMP_\w+) (\d+)", HEADER)}


def constants(enum: str) -> dict[str, int]:
    """The members of an enum, without their prefix."""
    body = re.search(rf"enum {enum} {{(.*?)}};", HEADER, re.DOTALL)
    assert body
    members = re.findall(r"OOMP_(\w+)(?: = 1 << (\d+))?,", body[1])
    return {name: 1 << int(bit) if bit else number for number, (name, bit) in enumerate(members)}


def size_of(struct: str) -> int:
    """The size of a struct in which every field is where its size wants it, so that there are no holes."""
    body = re.search(rf"struct {struct} {{(.*?)}};", HEADER, re.DOTALL)
    assert body
    numbers = sum(int(bits) // 8 for bits in re.findall(r"__[us](32|64) \w+;", body[1]))
    arrays = re.findall(r"char \w+((?:\[\w+\])+);", body[1])
    return numbers + sum(prod(DEFINED[size] for size in re.findall(r"\w+", sizes)) for sizes in arrays)
