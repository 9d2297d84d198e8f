"""Runs out of memory again and again, inside a test machine: `python3 -m random_oom EVENTS`.

EVENTS is a file of JSON lines as `random_oom.draw` makes them; each is answered with a JSON line. It only does and
reports: who should have died is judged by whoever drew the events. A round trip to the host for every step would take
many times as long.
"""

import json
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from random_oom.host import kernel_kills, records, status
from random_oom.stage import Stage, wait_until
from random_oom.worker import CGROUPS, Worker

OWN = "/driver"
BALLAST = "/ballast"
NEVER = "-1000"
"""The oom_score_adj of those whom the kernel must leave alone, or nothing could be said about the others."""


def played(event: dict[str, Any], ballast: Worker) -> dict[str, Any]:
    """Has the event happen; returns what did."""
    began, kernel, before = time.monotonic(), kernel_kills(), records(0)[1]
    stage, problem, rate, times = Stage(event, ballast), None, 0, [began]
    try:
        stage.build()
        times.append(time.monotonic())
        wait_until("the guard has the targets", lambda: _generation() == event["generation"])
        times.append(time.monotonic())
        threshold = stage.tighten()
        times.append(time.monotonic())
        told = status()
        rate = int(event["speed"] * told["survivableGrowthBytesPerSecond"] * threshold / told["thresholdBytes"])
        stage.run_out(rate)
        times.append(time.monotonic())
        stage.settle(lambda: records(before)[0])
        times.append(time.monotonic())
    except TimeoutError as error:
        problem = str(error)
    stage.clear()
    times.append(time.monotonic())
    return {
        "generation": event["generation"],
        "deaths": stage.deaths,
        "kernelKills": kernel_kills() - kernel,
        "bytesPerSecond": rate,
        "problem": problem,
        "records": records(before)[0],
        "seconds": [round(later - earlier, 2) for earlier, later in pairwise(times)],
    }


def _generation() -> int:
    policy = status()["policy"]
    return int(policy["generation"]) if policy else 0


def main() -> None:
    """Plays all events of the file."""
    for memcg in (OWN, BALLAST):
        (CGROUPS / memcg.lstrip("/")).mkdir(exist_ok=True)
    (CGROUPS / OWN.lstrip("/") / "cgroup.procs").write_text("0")
    Path("/proc/self/oom_score_adj").write_text(NEVER)
    ballast = Worker(BALLAST, 0, int(NEVER))
    ballast.wait_ready()
    with Path(sys.argv[1]).open(encoding="utf-8") as events:
        for line in events:
            print(json.dumps(played(json.loads(line), ballast)), flush=True)


if __name__ == "__main__":
    main()
