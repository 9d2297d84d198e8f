"""The kernel alone, earlyoom, systemd-oomd and ours, each against the same hog in a machine of its own.

`python -m bench peers [--killer K ...] [--scenario S ...] [--runs N] [--output FILE] [--input FILE ...]`
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from bench.killers import KILLERS, Killer
from bench.outcome import Outcome
from bench.scenarios import SCENARIOS, Scenario
from bench.table import better_peers, progress, table
from bench.trial import run
from lab.guest_process import CommandFailedError, GuestLostError

__all__ = ["main"]

RUNS = 2
ATTEMPTS = 3


def main(words: Sequence[str]) -> None:
    """Runs what is asked for, a line for each run, then the table of everything, with what `--input` adds."""
    options = _options(words)
    outcomes = [outcome for path in options.input for outcome in _read(path)]
    for outcome in _runs(options):
        outcomes.append(outcome)
        if options.output:
            _write(options.output, outcomes)
    print()
    print("\n".join([*table(outcomes), "", *better_peers(outcomes)]))


def _options(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench peers", description=__doc__)
    parser.add_argument("--killer", action="append", choices=KILLERS, help="only this one; may be repeated")
    parser.add_argument("--scenario", action="append", choices=SCENARIOS, help="only this one; may be repeated")
    parser.add_argument("--runs", type=int, default=RUNS, help="of each pair (%(default)s); 0 only prints --input")
    parser.add_argument("--output", type=Path, help="a JSON file for all outcomes, written after each run")
    parser.add_argument("--input", type=Path, action="append", default=[], help="outcomes of before, to be added")
    parser.add_argument("--keep", type=Path, help="a folder for consoles and what the killers said")
    return parser.parse_args(words)


def _runs(options: argparse.Namespace) -> Iterator[Outcome]:
    scenarios = [SCENARIOS[name] for name in options.scenario or SCENARIOS]
    killers = [KILLERS[name] for name in options.killer or KILLERS]
    plan = list(itertools.product(range(options.runs), scenarios, killers))
    with tempfile.TemporaryDirectory(prefix="oompolicy-bench-") as scratch:
        for number, (repeat, scenario, killer) in enumerate(plan, start=1):
            folder = (options.keep or Path(scratch)) / f"{scenario.name}-{killer.name}-{repeat + 1}"
            folder.mkdir(parents=True, exist_ok=True)
            start, load = time.monotonic(), os.getloadavg()[0]
            outcome = _tried(killer, scenario, folder)
            said = progress(outcome) if outcome else f"{scenario.name} {killer.name}: not counted"
            print(f"{number:3}/{len(plan)} {time.monotonic() - start:4.0f} s  {said}", flush=True)
            if outcome:
                yield replace(outcome, host_load=round(load, 1))


def _tried(killer: Killer, scenario: Scenario, folder: Path) -> Outcome | None:
    """Tries again when the emulated machine crashed or did not start; None after too many of these."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return run(killer, scenario, folder)
        except (GuestLostError, CommandFailedError, subprocess.TimeoutExpired) as error:
            last_line = str(error).splitlines()[-1]
            print(f"{scenario.name} {killer.name}: attempt {attempt} came to nothing: {last_line}", file=sys.stderr)
    return None


def _read(path: Path) -> list[Outcome]:
    return [Outcome.from_json(content) for content in json.loads(path.read_text())]


def _write(path: Path, outcomes: Sequence[Outcome]) -> None:
    new = path.with_name(f"{path.name}.new")
    new.write_text(json.dumps([outcome.to_json() for outcome in outcomes], indent=1) + "\n")
    new.rename(path)
