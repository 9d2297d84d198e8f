"""Python and C say the same of what guard and OOM handler tell each other."""

import mmap
import struct

import pytest

from intf_header import DEFINED, constants, size_of
from oompolicy_agent.guard.hook_abi import (
    COUNTS_SIZE,
    NAME_BYTES,
    POLICY_SIZE,
    RECORD_SIZE,
    RING_BYTES,
    Counts,
    Mode,
    Outcome,
    Terms,
    Verdict,
)
from oompolicy_agent.model import TieBreak

NUMBERS = (5, 17, 1, 42, 1 << 63 | 1, 4096, 100, 2000)
COUNTED = (Outcome.KILLED, 9, 3, 2, 1)


@pytest.mark.parametrize(
    ("enum", "prefix"),
    [pytest.param(Mode, "oomp_mode", id="mode"), pytest.param(Outcome, "oomp_outcome", id="outcome")],
)
def test_words_are_those_of_the_header(enum: type[Mode | Outcome], prefix: str) -> None:
    assert {word.name: word.value for word in enum} == constants(prefix)


def test_structs_have_the_sizes_of_the_header() -> None:
    assert size_of("oomp_policy") == POLICY_SIZE
    assert size_of("oomp_counts") == COUNTS_SIZE
    assert size_of("oomp_decision") == len(record()) == RECORD_SIZE
    assert DEFINED["OOMP_RING_BYTES"] == RING_BYTES


def test_terms_are_where_the_header_has_them() -> None:
    terms = Terms(Mode.AUDIT, valid_until=1 << 40, default_priority=-5, tie_break=TieBreak.NEWEST, swap_page_bytes=4096)
    assert struct.unpack("=iIIIQ", terms.packed()) == (-5, 2, 4096, 2, 1 << 40)


def test_counts_come_as_the_header_has_them() -> None:
    assert Counts.unpacked(struct.pack("=QQQQQ", 5, 4, 3, 2, 1)) == Counts(5, 4, 3, 2, 1)


def record(*names: str, pid: int = 0, comm: bytes = b"", is_group: bool = False) -> bytes:
    """As the ring buffer would have it; names from below."""
    fixed = struct.pack(
        "=QQQQQQQQQQQQIIIIII16s", *NUMBERS, pid, 2 if pid else 0, 42, is_group, *COUNTED, len(names), comm
    )
    return fixed + b"".join(name.encode().ljust(NAME_BYTES, b"\0") for name in (*names, *[""] * (8 - len(names))))


def test_a_verdict_names_its_victim_from_above() -> None:
    verdict = Verdict.unpacked(record("main", "podx", "kubepods"))
    assert (verdict.path, verdict.victim, verdict.outcome, verdict.passed_over) == (
        "/kubepods/podx/main",
        42,
        Outcome.KILLED,
        1,
    )


def test_a_verdict_without_a_victim_has_no_path() -> None:
    assert Verdict.unpacked(record()).path == ""


def test_a_verdict_on_a_single_process_names_it() -> None:
    verdict = Verdict.unpacked(record("main", pid=17, comm=b"postgres\0rest"))
    assert (verdict.process, verdict.process_usage_bytes, verdict.usage_bytes) == (
        "postgres[17]",
        2 * mmap.PAGESIZE,
        4096,
    )
    assert Verdict.unpacked(record("main", comm=b"postgres")).process == ""
    assert Verdict.unpacked(record("main", pid=17, comm=b"postgres", is_group=True)).process == ""
