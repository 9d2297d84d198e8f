"""What guard and BPF programs tell each other, as agent/bpf/intf.h has it in C: a change of one is a change of both."""

import enum
import struct
from dataclasses import dataclass

from oompolicy_agent.model import TieBreak

__all__ = ["TARGET_SIZE", "TIE_BREAKS", "Answer", "Flag", "Question", "RunError", "Target", "key_of"]

_TARGET = struct.Struct("=iIQQQQ")
_QUESTION = struct.Struct("=QQiII")
_ANSWER = struct.Struct("=IQIIQQ")
TARGET_SIZE = _TARGET.size
TIE_BREAKS = (TieBreak.LARGEST_USAGE, TieBreak.MOST_OVER_REQUEST, TieBreak.NEWEST)


class Flag(enum.IntFlag):
    """What is special about a target."""

    HAS_PRIORITY = 1
    """Else it inherits that of the nearest memcg above it that has one."""
    PROTECTED = 2
    PROTECTED_TO_REQUEST = 4
    """Protected while it uses no more than its request."""
    UNIT = 8
    PARTS = 16
    """Of a unit: what it uses is what the targets in it use, a pod's containers without its sandbox."""
    UNKILLABLE = 32
    EXCLUDED = 64
    """No candidate now: it dies already, or would not die."""
    UNKNOWN = 128
    NOBODYS = 256
    """Of the host, and nobody has asked for anything: an OOM inside it is the kernel's own affair."""
    PROCESS = 512
    """Only its largest process dies of an OOM, unless memory.oom.group has all of it die."""


NO_FLAG = Flag(0)


class RunError(enum.IntEnum):
    """Why a run has no answer."""

    OK = 0
    NO_DOMAIN = 1
    TOO_DEEP = 2
    BUSY = 3


@dataclass(frozen=True, slots=True)
class Target:
    """The value of one memcg in the map.

    Attributes:
        usage_bytes: what the run `run` has found; it and `passed_over` are the program's to write.
    """

    priority: int = 0
    flags: Flag = NO_FLAG
    request_bytes: int = 0
    usage_bytes: int = 0
    run: int = 0
    passed_over: int = 0

    def packed(self) -> bytes:
        """As the map has it."""
        return _TARGET.pack(self.priority, self.flags, self.request_bytes, self.usage_bytes, self.run, self.passed_over)

    @staticmethod
    def unpacked(value: bytes) -> "Target":
        """The reverse."""
        priority, flags, *numbers = _TARGET.unpack(value)
        return Target(priority, Flag(flags), *numbers)


@dataclass(frozen=True, slots=True)
class Question:
    """Who dies first in a domain?

    Attributes:
        domain: its cgroup id.
        run: a number of one's own, by which usages are known to be this run's.
        swap_page_bytes: the size of a page where what is in swap counts, else 0.
    """

    domain: int
    run: int
    default_priority: int = 0
    tie_break: TieBreak = TieBreak.LARGEST_USAGE
    swap_page_bytes: int = 0

    def packed(self) -> bytearray:
        """With room for the answer."""
        tie_break = TIE_BREAKS.index(self.tie_break)
        asked = _QUESTION.pack(self.domain, self.run, self.default_priority, tie_break, self.swap_page_bytes)
        return bytearray(asked + bytes(_ANSWER.size))


@dataclass(frozen=True, slots=True)
class Answer:
    """What one run has found.

    Attributes:
        victim: its cgroup id; 0: nothing is eligible, or see `error`.
        visited: memcgs that were looked at.
        eligible: units that could have been chosen.
        flush_nanoseconds: of the time, what the kernel took to bring its counters up to date.
    """

    error: RunError
    victim: int
    visited: int
    eligible: int
    flush_nanoseconds: int
    nanoseconds: int

    @staticmethod
    def unpacked(context: bytes | bytearray) -> "Answer":
        """What a run left in the question."""
        error, *rest = _ANSWER.unpack_from(context, _QUESTION.size)
        return Answer(RunError(error), *rest)


def key_of(cgroup_id: int) -> bytes:
    """The key of a memcg in the map."""
    return struct.pack("=Q", cgroup_id)
