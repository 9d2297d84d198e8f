"""`kubectl oompolicy simulate -f POLICY`: what a changed policy would change, before it is applied."""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from oompolicy_agent.cli.live import Cluster, add_cluster
from oompolicy_agent.cli.printing import Printer, add_output, bad, good, plain
from oompolicy_agent.cli.standing import changes, difference
from oompolicy_agent.manifests import only_policy, read_manifests, read_policy
from oompolicy_agent.resolve import Target, resolve
from oompolicy_api.policy import OOMPolicy
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
    command.add_argument(
        "-f", "--filename", action="append", required=True, metavar="FILE", help="YAML with the changed OOMPolicy"
    )
    command.add_argument(
        "--against",
        action="append",
        metavar="FILE",
        help="YAML with the OOMPolicy as it is, pods and namespaces, instead of the cluster; repeat for more",
    )
    add_cluster(command)
    add_output(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Prints it."""
    printer, changed = Printer(options.output), read_policy(options.filename)
    now, later = _by_files(changed, options.against) if options.against else _by_cluster(changed, Cluster(options))
    found = changes(now, later)
    orders = {node: difference(node, now.get(node, ()), targets) for node, targets in later.items()}
    if printer.is_document:
        fields = [{"pod": one.pod, "node": one.node, "now": one.before, "changed": one.after} for one in found]
        printer.document({"changes": fields, "orders": {node: lines for node, lines in orders.items() if lines}})
        return
    if not found:
        printer.line(f"Nothing would change for {sum(map(len, later.values()))} pods on {len(later)} nodes")
        return
    printer.table(COLUMNS, ([plain(part) for part in (one.pod, one.node, one.before, one.after)] for one in found))
    for lines in filter(None, orders.values()):
        printer.heading("The order, first to die first")
        for line in lines:
            paint = {"+": good, "-": bad}.get(line[0], plain)
            printer.line(paint(line))


def _by_files(changed: OOMPolicy, files: Sequence[str]) -> tuple[Targets, Targets]:
    found = read_manifests(files)
    as_it_is = only_policy(files, found)
    now, later = (resolve(policy, found.pods, found.namespaces).targets for policy in (as_it_is, changed))
    return {ALL: now}, {ALL: later}


def _by_cluster(changed: OOMPolicy, cluster: Cluster) -> tuple[Targets, Targets]:
    """By the policies that win on each node, now and with the changed one among them."""
    policies = cluster.policies()
    others = [one for one in policies if one.metadata.name != changed.metadata.name]
    created = next((one.metadata.creation_timestamp for one in policies if one not in others), None)
    changed = changed.model_copy(
        update={"metadata": changed.metadata.model_copy(update={"creation_timestamp": created})}
    )
    labels, pods, namespaces = cluster.node_labels(), cluster.pods(), cluster.namespaces()

    def by(candidates: Sequence[OOMPolicy]) -> Targets:
        winners = {node: in_force(candidates, labels[node]).acting for node in labels}
        return {
            node: resolve(policy, pods.get(node, []), namespaces).targets if policy and policy.spec.mode != OFF else ()
            for node, policy in winners.items()
        }

    return by(policies), by([*others, changed])
