"""Python and C say the same of what guard and BPF program tell each other."""

import pytest

from intf_header import constants, size_of
from oompolicy_agent.guard.assist_abi import TARGET_SIZE, Answer, Flag, Question, RunError, Target
from oompolicy_agent.model import TieBreak


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
