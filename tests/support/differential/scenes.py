"""Plays the rows of scenarios.py as real memcgs with processes in them, and asks the program in which order they die.

`python3 -m differential.scenes --directory DIRECTORY`; it prints the order of each row by its name, as a JSON object.
"""

import argparse
import json
import random
from dataclasses import replace

from differential.forest import Trees
from differential.program import Program
from oompolicy_agent.guard.assist_abi import Flag, Question, Target
from oompolicy_agent.model import Memcg
from random_oom.worker import CGROUPS
from scenarios import SCENARIOS, Scenario

LARGEST_MEBIBYTES = 64
"""Of the largest leaf; the others in proportion, but so that different usages stay different."""
TOP = "/scene"
"""Stands for the root of the row's tree."""


def play(program: Program, scenario: Scenario) -> list[str]:
    """Who dies, first to die first, each found by one run in which those before are excluded."""
    trees = Trees(random.Random(0), TOP)  # noqa: S311 - nothing is drawn
    plant(trees, scenario)
    try:
        return _order(program, trees, scenario)
    finally:
        trees.clear()


def plant(trees: Trees, scenario: Scenario) -> None:
    """Makes the row's tree, with all its processes."""
    memcgs = scenario.snapshot.cgroups
    inner = {memcg.path.rpartition("/")[0] for memcg in memcgs}
    usages = sorted({memcg.usage_bytes for memcg in memcgs})
    trees.add(TOP, None, is_leaf=False)
    for memcg in memcgs:
        share = round(memcg.usage_bytes * LARGEST_MEBIBYTES / (usages[-1] or 1))
        size = None if memcg.path in scenario.empty else max(share, usages.index(memcg.usage_bytes))
        trees.add(TOP + memcg.path, size, is_leaf=memcg.path not in inner)
    trees.wait_ready()


def targets_of(scenario: Scenario) -> dict[str, Target]:
    """By path; of what is in a container nobody is told anything."""
    memcgs = scenario.snapshot.cgroups
    closed = tuple(memcg.path + "/" for memcg in memcgs if memcg.unit and memcg.path not in scenario.of_parts)
    return {
        memcg.path: Target(memcg.priority or 0, _flags(memcg, scenario), memcg.request_bytes)
        for memcg in memcgs
        if not memcg.path.startswith(closed)
    }


def _order(program: Program, trees: Trees, scenario: Scenario) -> list[str]:
    ids = {place.path.removeprefix(TOP) or "/": place.id for place in trees.places}
    paths = {id_: path for path, id_ in ids.items()}
    told = {ids[path]: target for path, target in targets_of(scenario).items()}
    program.tell(told)
    order: list[str] = []
    while victim := program.ask(Question(ids[scenario.domain], len(order) + 1)).victim:
        order.append(paths[victim])
        told[victim] = replace(told[victim], flags=told[victim].flags | Flag.EXCLUDED)
        program.tell({victim: told[victim]})
    program.forget(told)
    return order


def _flags(memcg: Memcg, scenario: Scenario) -> Flag:
    flags = {
        Flag.HAS_PRIORITY: memcg.priority is not None,
        Flag.PROTECTED: memcg.protected,
        Flag.UNIT: memcg.unit,
        Flag.PARTS: memcg.path in scenario.of_parts,
        Flag.UNKILLABLE: not memcg.killable and memcg.path not in scenario.empty,
        Flag.UNKNOWN: not memcg.known,
    }
    return Flag(sum(flag for flag, is_set in flags.items() if is_set))


def main() -> None:
    """Plays all rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", required=True)
    program = Program(parser.parse_args().directory)
    (CGROUPS / "cgroup.subtree_control").write_text("+memory")
    found = {scenario.name: play(program, scenario) for scenario in SCENARIOS}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
