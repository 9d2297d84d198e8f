"""`kubectl oompolicy resolve`: what every pod's target would be, without a cluster.

kubectl finds the program `kubectl-oompolicy` on PATH. It exits 0, or 2 with one line that says what is wrong where.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from oompolicy_agent.manifests import ManifestError, read_manifests
from oompolicy_agent.resolve import PodProblem, Target, resolve

__all__ = ["main"]

BAD_INPUT = 2
COLUMNS = ("NAMESPACE", "POD", "CONTAINER", "PRIORITY", "PROTECT", "UNIT", "RULE", "SOURCE")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command with `arguments`, by default those of the process; returns its exit status."""
    options = _parser().parse_args(arguments)
    try:
        found = read_manifests(options.filename)
    except ManifestError as error:
        print(error, file=sys.stderr)  # noqa: T201 - this is a command
        return BAD_INPUT
    resolution = resolve(found.policy, found.pods, found.namespaces)
    for problem in (*resolution.problems, *map(_told, resolution.pod_problems)):
        print(problem, file=sys.stderr)  # noqa: T201 - this is a command
    print(_json(resolution.targets) if options.output == "json" else _table(resolution.targets))  # noqa: T201 - as above
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kubectl oompolicy", description="Looks at OOM policies before they act.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser(
        "resolve",
        help="what every pod's target would be under a policy",
        description="Shows which priority or protection a policy gives to each pod, and by which rule.",
    )
    command.add_argument(
        "-f",
        "--filename",
        action="append",
        required=True,
        metavar="FILE",
        help="YAML with the OOMPolicy, pods (kubectl get pods -A -o yaml) and namespaces; repeat for more, - is stdin",
    )
    command.add_argument("-o", "--output", choices=("table", "json"), default="table", help="default: table")
    return parser


def _json(targets: Sequence[Target]) -> str:
    return json.dumps({"targets": [entry for target in targets for entry in _entries(target)]}, indent=2)


def _entries(target: Target) -> list[dict[str, Any]]:
    """One for the pod, and one for each container whose priority is set apart from it."""
    whole = {
        "namespace": target.pod.namespace,
        "pod": target.pod.name,
        "container": None,
        "priority": target.priority,
        "protect": target.protect,
        "unit": target.unit,
        "rule": target.rule,
        "source": target.source,
    }
    apart = {"protect": None, "source": "Rule"}
    ordered = sorted(target.containers.items(), key=lambda item: item[1])
    return [whole, *(whole | apart | {"container": name, "priority": priority} for name, priority in ordered)]


def _table(targets: Sequence[Target]) -> str:
    """Who dies first stands first; the protected stand last."""
    ordered = sorted(targets, key=lambda t: (t.priority is None, t.priority or 0, t.pod.namespace, t.pod.name))
    rows = [COLUMNS, *(_row(entry) for target in ordered for entry in _entries(target))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    return tuple("-" if value is None else str(value) for value in entry.values())


def _told(problem: PodProblem) -> str:
    return f"Pod {problem.namespace}/{problem.name}: {problem.message}"
