"""Python and C say the same of what guard and BPF program tell each other."""

import re
from pathlib import Path

import pytest

from oompolicy_agent.guard.assist_abi import TARGET_SIZE, Answer, Flag, Question, RunError, Target
from oompolicy_agent.model import TieBreak

HEADER = (Path(__file__).parents[3] / "agent" / "bpf" / "intf.h").read_text()


def constants(enum: str) -> dict[str, int]:
    """The members of an enum of the header, without its prefix."""
    body = re.search(rf"enum {enum} {{(.*?)}};", HEADER, re.DOTALL)
    assert body
    members = re.findall(r"OOMP_(\w+)(?: = 1 << (\d+))?,", body[1])
    return {name: 1 << int(bit) if bit else number for number, (name, bit) in enumerate(members)}


def size_of(struct: str) -> int:
    """The size of a struct of the header, in which every field is where its size wants it."""
    body = re.search(rf"struct {struct} {{(.*?)}};", HEADER, re.DOTALL)
    assert body
    return sum(int(bits) // 8 for bits in re.findall(r"__[us](32|64) \w+;", body[1]))


def test_flags_are_those_of_the_header() -> None:
    assert {flag.name: flag.value for flag in Flag} == constants("oomp_target_flags")


def test_errors_are_those_of_the_header() -> None:
    assert {error.name: error.value for error in RunError} == constants("oomp_run_error")


def test_tie_breaks_are_those_of_the_header() -> None:
    asked = {tie.name: int.from_bytes(Question(1, 1, tie_break=tie).packed()[20:24], "little") for tie in TieBreak}
    assert asked == constants("oomp_tie_break")


def test_structs_have_the_sizes_of_the_header() -> None:
    assert size_of("oomp_target") == TARGET_SIZE
    assert size_of("oomp_run") == len(Question(1, 1).packed())


def test_a_target_comes_back_as_it_was() -> None:
    target = Target(-(2**31), Flag.HAS_PRIORITY | Flag.UNIT, 2**63, 17, 3)
    assert Target.unpacked(target.packed()) == target


def test_a_question_has_no_answer_before_it_was_asked() -> None:
    assert Answer.unpacked(Question(2**64 - 1, 1, -5, TieBreak.NEWEST, 4096).packed()) == Answer(
        RunError.OK, 0, 0, 0, 0, 0
    )


@pytest.mark.parametrize("priority", [-(2**31) - 1, 2**31])
def test_a_priority_that_is_no_int32_is_refused(priority: int) -> None:
    with pytest.raises(Exception, match="format requires"):
        Target(priority).packed()
