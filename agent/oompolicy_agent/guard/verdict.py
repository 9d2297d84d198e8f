"""The three answers to a question about the host. Only yes and no are conclusive. Pure.

Not for `run`: what is here would stay in the guard's memory for ever.
"""

import enum
from dataclasses import dataclass

__all__ = ["Answer", "Verdict", "no", "unknown", "yes"]


class Answer(enum.Enum):
    """What the host said; the values are what programs read."""

    YES = "Yes"
    NO = "No"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One answer, and a sentence to it: of a no, why and what to do; of an unknown, why."""

    answer: Answer
    message: str = ""


def yes(message: str = "") -> Verdict:
    """It is there, or as it should be."""
    return Verdict(Answer.YES, message)


def no(why: str, advice: str) -> Verdict:
    """It is certainly not. `advice` says what to do, or that nothing need be done."""
    return Verdict(Answer.NO, f"{why}; {advice}")


def unknown(why: str) -> Verdict:
    """The host could not be asked, or gave an answer that means neither."""
    return Verdict(Answer.UNKNOWN, why)
