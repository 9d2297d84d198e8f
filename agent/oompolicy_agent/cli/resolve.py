"""`kubectl oompolicy resolve`: what every pod's target would be, without a cluster."""

import argparse
import sys
from typing import Any

from oompolicy_agent.cli.printing import Printer, add_output, plain
from oompolicy_agent.manifests import only_policy, read_manifests
from oompolicy_agent.resolve import PodProblem, Target, resolve
from oompolicy_api.advice import unreachable

__all__ = ["add"]

COLUMNS = ("NAMESPACE", "POD", "CONTAINER", "PRIORITY", "PROTECT", "UNIT", "RULE", "SOURCE")


def add(commands: Any) -> None:  # noqa: ANN401 - argparse has no public type for it
    """Its parser."""
    command = commands.add_parser(
        "resolve",
        help="what every pod's target would be under a policy, without a cluster",
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
    add_output(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Prints it."""
    found = read_manifests(options.filename)
    policy = only_policy(options.filename, found)
    resolution = resolve(policy, found.pods, found.namespaces)
    for problem in (*unreachable(policy), *resolution.problems, *map(_told, resolution.pod_problems)):
        print(problem, file=sys.stderr)  # noqa: T201 - this is a command
    printer = Printer(options.output)
    if printer.is_document:
        printer.document({"targets": [entry for target in resolution.targets for entry in _entries(target)]})
        return
    # who dies first stands first; the protected stand last
    ordered = sorted(
        resolution.targets, key=lambda t: (t.priority is None, t.priority or 0, t.pod.namespace, t.pod.name)
    )
    printer.table(COLUMNS, ([plain(cell) for cell in entry.values()] for one in ordered for entry in _entries(one)))


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


def _told(problem: PodProblem) -> str:
    return f"Pod {problem.namespace}/{problem.name}: {problem.message}"
