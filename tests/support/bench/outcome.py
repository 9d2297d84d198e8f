"""What came of one run, from the watcher's record and what the killer said. Pure."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from bench.scenarios import BATCH, CRIT, HOG

__all__ = ["Death", "Outcome", "outcome_of"]

MEBIBYTE = 1 << 20
KERNEL = "kernel"
UNKNOWN = "?"


@dataclass(frozen=True, slots=True)
class Death:
    """One container's end."""

    name: str
    by: str
    """`kernel`, the killer's name, or `?` when neither says so."""
    at: float
    """Seconds since the hog was let go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One run. None is what could not be measured, or does not apply."""

    killer: str
    scenario: str
    deaths: tuple[Death, ...] = ()
    crit_lives: bool = False
    hog_ended: bool = False
    """False: whoever should have stopped the hog did not in the time it had."""
    margin_to_kill_seconds: float | None = None
    """From the first look at a margin below 100 MiB to the first death; below 0 if the death came before."""
    margin_at_kill_mebibytes: int | None = None
    """What was left just before the first death."""
    pause_milliseconds: float | None = None
    """The longest of crit in the crisis; None if it died."""
    quiet_milliseconds: float | None = None
    """The same before the crisis: what is the machine's own."""
    lowest_mebibytes: int | None = None
    lowest_node_mebibytes: int | None = None
    resident_mebibytes: float | None = None
    locked_mebibytes: float | None = None
    idle_percent: float | None = None
    killer_lives: bool | None = None
    look_milliseconds: float | None = None
    """The longest time between two looks of the watcher: how exact the others can be."""
    host_load: float | None = None
    """Of the machine that emulates, over the minute before the run."""
    failure: str | None = None
    """Why there is no record at all: the machine was lost in the crisis, or never answered again."""

    @property
    def is_right(self) -> bool:
        """Batch first, and crit alive."""
        return bool(self.deaths) and self.deaths[0].name == BATCH.name and self.crit_lives and self.hog_ended

    def to_json(self) -> dict[str, Any]:
        """For a file; `Outcome.from_json` reads it."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Outcome":
        """What `to_json` wrote; raises TypeError for other fields."""
        return cls(**{**content, "deaths": tuple(Death(**death) for death in content["deaths"])})


def outcome_of(killer: str, scenario: str, record: Mapping[str, Any], said: str) -> Outcome:
    """Joins the watcher's record with the killer's own words, which must name whom it killed."""
    deaths = tuple(_death(entry, killer, record["pids"][entry["name"]], said) for entry in record["deaths"])
    first = record["deaths"][0] if deaths else None
    lives = CRIT.name in record["survivors"]
    own = record["killer"] or {}
    return Outcome(
        killer=killer,
        scenario=scenario,
        deaths=deaths,
        crit_lives=lives,
        hog_ended=record["hogWasEnded"],
        margin_to_kill_seconds=_wait(record["lowAt"], first),
        margin_at_kill_mebibytes=first["margin"] // MEBIBYTE if first else None,
        pause_milliseconds=record["crit"]["longest"] if lives else None,
        quiet_milliseconds=record["crit"]["quiet"],
        lowest_mebibytes=record["lowest"] // MEBIBYTE,
        lowest_node_mebibytes=record["lowestNode"] // MEBIBYTE,
        resident_mebibytes=own["residentKiB"] / 1024 if own else None,
        locked_mebibytes=own["lockedKiB"] / 1024 if own else None,
        idle_percent=own.get("idlePercent"),
        killer_lives=own.get("isAlive"),
        look_milliseconds=record["longestLook"] * 1000,
    )


def _wait(low_at: float | None, first: Mapping[str, Any] | None) -> float | None:
    if low_at is None or first is None:
        return None
    wait: float = first["at"] - low_at
    return wait


def _death(entry: Mapping[str, Any], killer: str, pid: int, said: str) -> Death:
    by = KERNEL if entry["byKernel"] else killer if _names(said, entry["name"], pid) else UNKNOWN
    return Death(entry["name"], by, entry["at"])


def _names(said: str, name: str, pid: int) -> bool:
    """Whether the killer's words name that container: by its process, its container id or its pod's uid."""
    pod = next(pod for pod in (CRIT, BATCH, HOG) if pod.name == name)
    return bool(re.search(rf"process {pid}\b", said)) or pod.container_id in said or pod.uid in said
