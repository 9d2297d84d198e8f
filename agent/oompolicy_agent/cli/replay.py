"""`kubectl oompolicy replay -f POLICY`: which recorded decisions a changed policy would have made otherwise."""

import argparse
from collections import Counter
from typing import Any

from oompolicy_agent.cli.decisions import ago, victim_name
from oompolicy_agent.cli.live import Cluster, add_changed, add_cluster
from oompolicy_agent.cli.printing import Printer, add_output, good, plain, warned
from oompolicy_agent.cli.replaying import Replayed, replayed
from oompolicy_agent.manifests import read_manifests, read_policy

__all__ = ["add"]

COLUMNS = ("TIME", "NODE", "DIED", "CHANGED", "WOULD DIE", "WHY")


def add(commands: Any) -> None:  # noqa: ANN401 - argparse has no public type for it
    """Its parser."""
    text = "which recorded decisions a changed policy would have made otherwise"
    command = commands.add_parser(
        "replay",
        help=text,
        description=f"Shows {text}, of those in their order. With --against from files; nothing is applied.",
    )
    add_changed(command, "OOMDecisions")
    command.add_argument("--since", type=ago, metavar="AGE", help="not older than this: 30m, 2h, 7d")
    add_cluster(command)
    add_output(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Prints it."""
    printer, policy = Printer(options.output), read_policy(options.filename)
    if options.against:
        found = read_manifests(options.against)
        decisions, namespaces, there = found.decisions, found.namespaces, found.pods
    else:
        cluster = Cluster(options)
        decisions, namespaces = cluster.decisions(), cluster.namespaces()
        there = [pod for pods in cluster.pods().values() for pod in pods]
    pods = {(pod.namespace, pod.name): pod for pod in there}
    wanted = [one for one in decisions if options.since is None or one.spec.time >= options.since]
    again = [replayed(one, policy, pods, namespaces) for one in wanted]
    if printer.is_document:
        printer.document({"decisions": [_document(one) for one in again]})
        return
    printer.table(COLUMNS, map(_row, again))
    counts = Counter(one.verdict for one in again)
    printer.line()
    printer.line(
        plain(
            f"{len(again)} decision{'s'[: len(again) != 1]}: "
            + ", ".join(f"{count} {word}" for word, count in sorted(counts.items()))
        )
    )


def _row(again: Replayed) -> list[str]:
    spec = again.decision.spec
    paint = good if again.verdict == "Same" else warned
    return [
        f"{spec.time:%Y-%m-%dT%H:%M:%SZ}",
        plain(spec.node),
        plain(spec.victim and victim_name(spec.victim)),
        paint(again.verdict),
        plain(again.victim),
        plain(again.why),
    ]


def _document(again: Replayed) -> dict[str, Any]:
    name, victim = again.decision.metadata.name, again.decision.spec.victim
    died = victim_name(victim) if victim else None
    return {"name": name, "died": died, "verdict": again.verdict, "wouldDie": again.victim, "why": again.why}
