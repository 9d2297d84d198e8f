"""What guard and OOM handler tell each other, as agent/bpf/intf.h has it in C: a change of one is a change of both."""

import enum
import mmap
import struct
from dataclasses import dataclass

from oompolicy_agent.guard.assist_abi import TIE_BREAKS
from oompolicy_agent.model import TieBreak

__all__ = [
    "COUNTS_SIZE",
    "ONLY_KEY",
    "POLICY_SIZE",
    "RECORD_SIZE",
    "RING_BYTES",
    "Counts",
    "Mode",
    "Outcome",
    "Terms",
    "Verdict",
]

_TERMS = struct.Struct("=iIIIQ")
_COUNTS = struct.Struct("=QQQQQ")
_VERDICT = struct.Struct("=QQQQQQQQQQQQIIIIII16s")
NAME_BYTES = 96
RING_BYTES = 1 << 17
"""Of the ring buffer `decisions`; a record takes less than 1 KiB of it."""
POLICY_SIZE, COUNTS_SIZE = _TERMS.size, _COUNTS.size
MOST_NAMES = 8
RECORD_SIZE = _VERDICT.size + MOST_NAMES * NAME_BYTES
ONLY_KEY = bytes(8)
"""Of the maps `policy` and `counts`."""


class Mode(enum.IntEnum):
    """What the handler is to do."""

    OFF = 0
    ENFORCE = 1
    AUDIT = 2


class Outcome(enum.IntEnum):
    """What became of an OOM."""

    KILLED = 0
    WOULD_KILL = 1
    NOTHING_ELIGIBLE = 2
    NOBODY_KILLABLE = 3
    """Several victims in a row had nobody whom the kernel lets us kill."""


@dataclass(frozen=True, slots=True)
class Terms:
    """By which the handler decides, and until when.

    Attributes:
        swap_page_bytes: the size of a page where what is in swap counts, else 0.
        valid_until: nanoseconds of CLOCK_BOOTTIME; from then on the kernel decides alone.
    """

    mode: Mode
    valid_until: int
    default_priority: int = 0
    tie_break: TieBreak = TieBreak.LARGEST_USAGE
    swap_page_bytes: int = 0

    def packed(self) -> bytes:
        """As the map `policy` has it."""
        tie_break = TIE_BREAKS.index(self.tie_break)
        return _TERMS.pack(self.default_priority, tie_break, self.swap_page_bytes, self.mode, self.valid_until)


@dataclass(frozen=True, slots=True)
class Counts:
    """How often the handler was asked since it was loaded.

    Attributes:
        stepped_aside: of these, when it was Off or no longer valid.
        constrained: of these, for a cpuset, a memory policy or sysrq, which are the kernel's own affair.
        not_ours: of these, in a memcg of which we were told nothing, which are so, too.
        lost: decisions of which there is no record, because nobody had read those before.
    """

    asked: int = 0
    stepped_aside: int = 0
    constrained: int = 0
    not_ours: int = 0
    lost: int = 0

    def document(self) -> dict[str, int]:
        """As the status has it."""
        return {
            "asked": self.asked,
            "steppedAside": self.stepped_aside,
            "constrained": self.constrained,
            "notOurs": self.not_ours,
            "lost": self.lost,
        }

    @staticmethod
    def unpacked(value: bytes) -> "Counts":
        """As the map `counts` has it."""
        return Counts(*_COUNTS.unpack(value))


@dataclass(frozen=True, slots=True)
class Verdict:
    """One OOM, as the ring buffer `decisions` has it.

    Attributes:
        time: nanoseconds of CLOCK_BOOTTIME.
        domain: cgroup id.
        domain_level: how many names its path has, which is the beginning of the victim's.
        victim: cgroup id; 0: nobody.
        number: of the run, by which usages in the map are known to be this run's.
        usage_bytes: of the victim.
        nanoseconds: from being asked until everybody was signalled; `flush_nanoseconds` of them for counters.
        visited: memcgs that were looked at.
        eligible: units that could have been chosen.
        killed: processes, or groups of them with memory.oom.group.
        process: name and pid of the only process that dies, as `name[pid]`; empty: the whole unit.
        process_usage_bytes: of that one.
        passed_over: units before this one that had nobody to kill.
        path: of the victim's cgroup, as far as its last eight names go.
    """

    time: int
    domain: int
    victim: int
    number: int
    usage_bytes: int
    flush_nanoseconds: int
    nanoseconds: int
    outcome: Outcome
    visited: int
    eligible: int
    killed: int
    passed_over: int
    path: str
    process: str = ""
    process_usage_bytes: int = 0
    domain_level: int = 0

    @staticmethod
    def unpacked(record: bytes) -> "Verdict":
        """One record of the ring buffer."""
        found = _VERDICT.unpack_from(record)
        time, domain, level, victim, number, usage, flush, nanoseconds, pid, pages, _memcg, is_group = found[:12]
        outcome, visited, eligible, killed, passed_over, depth, name = found[12:]
        starts = (_VERDICT.size + level * NAME_BYTES for level in range(depth))
        names = [_text(record[start : start + NAME_BYTES]) for start in starts]
        path = "".join(f"/{name}" for name in reversed(names))
        return Verdict(
            time=time,
            domain=domain,
            victim=victim,
            number=number,
            usage_bytes=usage,
            flush_nanoseconds=flush,
            nanoseconds=nanoseconds,
            outcome=Outcome(outcome),
            visited=visited,
            eligible=eligible,
            killed=killed,
            passed_over=passed_over,
            path=path,
            process=f"{_text(name)}[{pid}]" if pid and not is_group else "",
            domain_level=level,
            process_usage_bytes=pages * mmap.PAGESIZE,
        )


def _text(name: bytes) -> str:
    return name.partition(b"\0")[0].decode(errors="replace")
