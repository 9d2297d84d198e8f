"""`kubectl oompolicy simulate -f POLICY`: what a changed policy would change, before it is applied."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from oompolicy_agent.cli.live import Cluster, CommandError, add_changed, add_cluster
from oompolicy_agent.cli.printing import Printer, add_output, bad, good, plain
from oompolicy_agent.cli.standing import changes, difference
from oompolicy_agent.manifests import only_policy, read_manifests, read_policy
from oompolicy_agent.resolve import Target, resolve
from oompolicy_api.advice import unreachable
from oompolicy_api.policy import OOMPolicy, OOMPolicySpec
from oompolicy_api.precedence import in_force

__all__ = ["add"]

COLUMNS = ("POD", "NODE", "NOW", "CHANGED")
ALL = "the files"
OFF = "Off"
Targets = Mapping[str, Sequence[Target]]
"""By node."""


def add(commands: Any) -> None:  # noqa: ANN401 - argparse has no public type for it
    """Its parser."""
    text = "what a changed policy would change: pod by pod, and in the order on each node"
    command = commands.add_parser(
        "simulate",
        help=text,
        description=f"Shows {text}. Against the cluster, or with --against against files; nothing is applied.",
    )
    add_changed(command, "the OOMPolicy as it is")
    add_cluster(command)
    add_output(command)
    command.set_defaults(run=run)


@dataclass(frozen=True)
class Simulation:
    """What was found: targets now and with the changed policy, which fields differ, and what was not understood."""

    now: Targets
    later: Targets
    fields: Sequence[str]
    problems: Sequence[str]


def run(options: argparse.Namespace) -> None:
    """Prints it."""
    printer, changed = Printer(options.output), read_policy(options.filename)
    found = _by_files(changed, options.against) if options.against else _by_cluster(changed, Cluster(options))
    for problem in (*unreachable(changed), *found.problems):
        print(problem, file=sys.stderr)  # noqa: T201 - this is a command
    differing = changes(found.now, found.later)
    orders = {node: difference(node, found.now.get(node, ()), targets) for node, targets in found.later.items()}
    if printer.is_document:
        fields = [{"pod": one.pod, "node": one.node, "now": one.before, "changed": one.after} for one in differing]
        moved = {node: lines for node, lines in orders.items() if lines}
        printer.document({"fields": list(found.fields), "changes": fields, "orders": moved})
        return
    printer.line(plain(f"Changed in spec: {', '.join(found.fields) or 'nothing'}"))
    if not differing:
        pods, nodes = sum(map(len, found.later.values())), len(found.later)
        printer.line(f"No pod's target would change, of {pods} on {nodes} nodes")
        return
    printer.table(COLUMNS, ([plain(part) for part in (one.pod, one.node, one.before, one.after)] for one in differing))
    for lines in filter(None, orders.values()):
        printer.heading("The order, first to die first")
        for line in lines:
            paint = {"+": good, "-": bad}.get(line[0], plain)
            printer.line(paint(line))


def _by_files(changed: OOMPolicy, files: Sequence[str]) -> Simulation:
    found = read_manifests(files)
    as_it_is = only_policy(files, found)
    now, later = (resolve(policy, found.pods, found.namespaces) for policy in (as_it_is, changed))
    return Simulation({ALL: now.targets}, {ALL: later.targets}, _fields(as_it_is, changed), later.problems)


def _fields(earlier: OOMPolicy | None, later: OOMPolicy) -> list[str]:
    """The fields of spec that differ; of a new policy all that it sets otherwise than by default."""
    base = earlier.spec if earlier else OOMPolicySpec()
    old, new = base.model_dump(by_alias=True), later.spec.model_dump(by_alias=True)
    return sorted(name for name in new if old[name] != new[name])


def _by_cluster(changed: OOMPolicy, cluster: Cluster) -> Simulation:
    """By the policies that win on each node, now and with the changed one among them."""
    policies = cluster.policies()
    earlier = next((one for one in policies if one.metadata.name == changed.metadata.name), None)
    others = [one for one in policies if one is not earlier]
    created = {"creation_timestamp": earlier and earlier.metadata.creation_timestamp}
    changed = changed.model_copy(update={"metadata": changed.metadata.model_copy(update=created)})
    labels, pods, namespaces = cluster.node_labels(), cluster.pods(), cluster.namespaces()
    problems: dict[str, None] = {}

    def by(candidates: Sequence[OOMPolicy]) -> Targets:
        return {node: on(node, in_force(candidates, labels[node]).acting) for node in labels}

    def on(node: str, policy: OOMPolicy | None) -> Sequence[Target]:
        if policy is None or policy.spec.mode == OFF:
            return ()
        resolution = resolve(policy, pods.get(node, []), namespaces)
        if policy is changed:
            problems.update(dict.fromkeys(resolution.problems))
        return resolution.targets

    try:
        return Simulation(by(policies), by([*others, changed]), _fields(earlier, changed), list(problems))
    except ValueError as error:
        raise CommandError(f"spec.nodeSelector: {error}") from error
