"""`kubectl oompolicy explain POD`: which rule it stands by, who must die before it, and what happened the last time."""

import argparse
from collections.abc import Iterator
from typing import Any

from oompolicy_agent.cli import standing
from oompolicy_agent.cli.decisions import about, told
from oompolicy_agent.cli.live import Cluster, CommandError, add_cluster
from oompolicy_agent.cli.printing import Printer, add_output, plain
from oompolicy_agent.resolve import Target, resolve
from oompolicy_api.policy import OOMPolicy
from oompolicy_api.precedence import in_force

__all__ = ["add"]

MOST_NAMED = 10
LARGEST = "LargestUsage"


def add(commands: Any) -> None:  # noqa: ANN401 - argparse has no public type for it
    """Its parser."""
    text = "which rule a pod stands by, who must die before it, and what happened the last time"
    command = commands.add_parser("explain", help=text, description=f"Shows {text}.")
    command.add_argument("pod", help="its name")
    command.add_argument("-n", "--namespace", help="default: as kubectl has it")
    add_cluster(command)
    add_output(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Prints it."""
    cluster, printer = Cluster(options), Printer(options.output)
    namespace = options.namespace or cluster.namespace
    wanted, node = f"{namespace}/{options.pod}", cluster.node_of(namespace, options.pod)
    policy = acting(cluster, node)
    targets = resolve(policy, cluster.pods(node).get(node, []), cluster.namespaces()).targets
    target = next((one for one in targets if standing.name(one) == wanted), None)
    if target is None:
        raise CommandError(f"pod {wanted} has finished: nothing of it is left on {node}")
    earlier, same = standing.before(target, targets)
    lately = about(cluster.decisions({"node": node}), namespace, options.pod)[-1:]
    if printer.is_document:
        printer.document(
            {
                "pod": wanted,
                "node": node,
                "policy": policy.metadata.name,
                **_said(target),
                "before": [{"pod": standing.name(one), **_said(one)} for one in earlier],
                "samePlace": [standing.name(one) for one in same],
                "lastDecision": lately[0].metadata.name if lately else None,
            }
        )
        return
    printer.line(f"[bold]{plain(wanted)}[/] on {plain(node)}: {plain(standing.standing(target))}")
    printer.line(f"  by policy {plain(policy.metadata.name)}, generation {policy.metadata.generation}{_mode(policy)}")
    for line in _place(target, earlier, same, policy, printer):
        printer.line(f"  {plain(line)}")
    printer.heading("The last time")
    for line in told(lately[0]) if lately else ["nobody has died near it, as far as decisions are kept"]:
        printer.line(f"  {line}")


def acting(cluster: Cluster, node: str) -> OOMPolicy:
    """The policy that wins on a node; raises CommandError if there is none."""
    found = in_force(cluster.policies(), cluster.labels_of(node)).acting
    if found is None:
        raise CommandError(f"no policy selects node {node}: see kubectl oompolicy status")
    return found


def _mode(policy: OOMPolicy) -> str:
    return {"Enforce": "", "Audit": ", which kills nobody (Audit)"}.get(policy.spec.mode, ", which is Off")


def _place(
    target: Target, earlier: list[Target], same: list[Target], policy: OOMPolicy, printer: Printer
) -> Iterator[str]:
    """Where it stands among the pods of its node when that runs out of memory."""
    if target.protect == "Always":
        yield "it is chosen only at its own memory limit"
        return
    if target.protect:
        yield f"beyond its memory request it counts with the default priority {policy.spec.default_priority}"
        return
    yield _counted(earlier, "before it when the node runs out of memory", printer)
    if same:
        tie_break = policy.spec.victim.tie_break or LARGEST
        yield _counted(same, f"at its priority, decided by {tie_break}", printer)
    least = target.priority or 0
    lower = [one.path for one in policy.spec.host_cgroups if one.priority < least]
    if lower:
        yield f"and before it on the host: {', '.join(lower)}"


def _said(target: Target) -> dict[str, Any]:
    return {"priority": target.priority, "protect": target.protect, "rule": target.rule, "source": target.source}


def _counted(targets: list[Target], what: str, printer: Printer) -> str:
    shown = targets if printer.is_wide else targets[:MOST_NAMED]
    names = ", ".join(f"{standing.name(one)} ({standing.standing(one)})" for one in shown)
    more = len(targets) - len(shown)
    rest = f", and {more} more (-o wide)" if more else ""
    pods = f"{len(targets)} {'pod' if len(targets) == 1 else 'pods'} {what}"
    return f"{pods}: {names}{rest}" if targets else f"no pod {what}"
