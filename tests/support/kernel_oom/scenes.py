"""Plays the rows of scenarios.py as real OOMs of a memcg, which our policy decides; prints who died, in order.

`python3 -m kernel_oom.scenes --directory DIRECTORY`: a JSON object by the rows' names. In each domain somebody who is
protected takes ever more, so that one after another dies.
"""

import argparse
import json
import os
import random
from functools import partial
from pathlib import Path

from differential.forest import Trees
from differential.scenes import TOP, plant, targets_of
from kernel_oom.hook import Decider
from oompolicy_agent.guard.assist_abi import Flag, Target
from oompolicy_agent.guard.hook import withdraw
from oompolicy_agent.guard.hook_abi import Outcome
from random_oom.stage import wait_until
from random_oom.worker import CGROUPS, MEBIBYTE, Worker
from scenarios import SCENARIOS, Scenario

HOG = "/zz-hog"
ROOM = 8 * MEBIBYTE
"""What is left in the domain when the hog begins."""
BYTES_PER_SECOND = 100 * MEBIBYTE


def play(decider: Decider, scenario: Scenario) -> list[str]:
    """Who died, first to die first."""
    trees = Trees(random.Random(0), TOP)  # noqa: S311 - nothing is drawn
    plant(trees, scenario)
    domain = TOP + scenario.domain.rstrip("/")
    hog = trees.add(domain + HOG, 1, is_leaf=True)
    assert hog
    hog.wait_ready()
    try:
        return _run_out(decider, scenario, trees, hog)
    finally:
        (CGROUPS / domain.lstrip("/") / "memory.max").write_text("max")
        trees.clear()


def _run_out(decider: Decider, scenario: Scenario, trees: Trees, hog: Worker) -> list[str]:
    ids = {place.path.removeprefix(TOP): place.id for place in trees.places}
    told = {ids[path]: target for path, target in targets_of(scenario).items()}
    domain = scenario.domain.rstrip("/")
    decider.tell(told | {ids[domain + HOG]: Target(0, Flag.PROTECTED)})
    folder = CGROUPS / (TOP + domain).lstrip("/")
    limit = int((folder / "memory.current").read_text()) + ROOM
    (folder / "memory.max").write_text(str(limit))
    hog.grow(BYTES_PER_SECOND)

    def is_over() -> bool:
        outcomes = [verdict.outcome for verdict in decider.listen()]
        return outcomes.count(Outcome.KILLED) == len(scenario.order) or any(outcomes)

    if scenario.order:
        wait_until(f"{len(scenario.order)} die", is_over)
    else:
        wait_until("nobody can be chosen", lambda: any(verdict.outcome for verdict in decider.listen()))
    died = [verdict.path.removeprefix(TOP) for verdict in decider.verdicts if verdict.outcome is Outcome.KILLED]
    for path in died:
        wait_until(f"{path} is empty", partial(_is_dead, CGROUPS / (TOP + path).lstrip("/")))
    return died


def _is_dead(memcg: Path) -> bool:
    """Whether nobody is left in it; of a pod that died without its sandbox, in its containers."""
    leaves = [folder for folder in memcg.glob("*/") if folder.name != "sandbox"] or [memcg]
    return all("populated 0" in (folder / "cgroup.events").read_text() for folder in leaves)


def main() -> None:
    """Plays all rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", required=True)
    decider = Decider(parser.parse_args().directory)
    (CGROUPS / "cgroup.subtree_control").write_text("+memory")
    Path(f"/proc/{os.getpid()}/oom_score_adj").write_text("-1000")
    found = {scenario.name: play(decider, scenario) for scenario in SCENARIOS}
    withdraw()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
