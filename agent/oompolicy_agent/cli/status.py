"""`kubectl oompolicy status`: policies, nodes by backend and why, and what needs attention."""

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from oompolicy_agent.cli.live import Cluster, add_cluster
from oompolicy_agent.cli.printing import Cell, Printer, add_output, bad, good, plain, warned
from oompolicy_agent.explain import amount
from oompolicy_agent.sync.node_status import HEARTBEAT_SECONDS
from oompolicy_api.advice import unreachable
from oompolicy_api.conditions import Condition
from oompolicy_api.node import OOMNode
from oompolicy_api.policy import OOMPolicy

__all__ = ["add", "attention", "by_backend"]

POLICY_COLUMNS = ("POLICY", "MODE", "NODES", "PROGRAMMED", "READY", "WHY")
BACKEND_COLUMNS = ("BACKEND", "NODES", "WHY NOT A BETTER ONE")
NODE_COLUMNS = ("NODE", "POLICY", "BACKEND", "MARGIN", "THRESHOLD", "MAPPED", "KILLS", "BY THE KERNEL")
TRUE, OFF, READY = "True", "Off", "Ready"
STALE = timedelta(seconds=5 * HEARTBEAT_SECONDS)
"""After so many reports that have not come."""


def add(commands: Any) -> None:  # noqa: ANN401 - argparse has no public type for it
    """Its parser."""
    text = "policies, nodes by backend and why, and what needs attention (-o wide: each node)"
    command = commands.add_parser("status", help=text, description=f"Shows {text}.")
    add_cluster(command)
    add_output(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Prints it."""
    cluster, printer = Cluster(options), Printer(options.output)
    policies, nodes = cluster.policies(), cluster.nodes()
    if printer.is_document:
        printer.document(document(policies, nodes))
        return
    printer.table(POLICY_COLUMNS, map(_policy_row, policies))
    printer.line()
    printer.table(BACKEND_COLUMNS, _backend_rows(nodes))
    if printer.is_wide:
        printer.line()
        printer.table(NODE_COLUMNS, map(_node_row, nodes))
    printer.heading("Needs attention")
    for what in [plain(one) for one in attention(policies, nodes)] or [good("nothing")]:
        printer.line(f"  {what}")


def document(policies: Iterable[OOMPolicy], nodes: Sequence[OOMNode]) -> dict[str, Any]:
    """For programs."""
    return {
        "policies": [
            {"name": one.metadata.name, "mode": one.spec.mode, **one.status.model_dump(mode="json", by_alias=True)}
            for one in policies
        ],
        "backends": [{"backend": name, "nodes": count, "reasons": why} for name, count, why in by_backend(nodes)],
        "nodes": [{"name": one.metadata.name, **one.status.model_dump(mode="json", by_alias=True)} for one in nodes],
        "attention": attention(policies, nodes),
    }


def by_backend(nodes: Sequence[OOMNode]) -> list[tuple[str, int, dict[str, int]]]:
    """Each backend that is in force somewhere, on how many nodes, and on how many of those why not a better one."""
    found = []
    for backend, count in Counter(node.status.backend or "Unknown" for node in nodes).most_common():
        there = [node for node in nodes if (node.status.backend or "Unknown") == backend]
        reasons = Counter(f"{one.backend}: {one.reason}" for node in there for one in node.status.reasons)
        found.append((backend, count, dict(reasons.most_common())))
    return found


def attention(policies: Iterable[OOMPolicy], nodes: Iterable[OOMNode]) -> list[str]:
    """What somebody should look at: one line each."""
    return [*_about_policies(policies), *_about_nodes(nodes)]


def _about_policies(policies: Iterable[OOMPolicy]) -> Iterator[str]:
    for policy in policies:
        name, said = policy.metadata.name, policy.status
        if not said.conditions or said.observed_generation != policy.metadata.generation:
            yield f"policy {name}: the operator has not seen generation {policy.metadata.generation} yet: does it run?"
        conditions = [_condition(policy, kind) for kind in ("Accepted", READY)]
        first = next((one for one in conditions if one and one.status != TRUE), None)
        if first:
            yield f"policy {name}: {first.type} is {first.status}: {first.message}"
        yield from (f"policy {name}: {sentence}" for sentence in unreachable(policy))


def _about_nodes(nodes: Iterable[OOMNode]) -> Iterator[str]:
    oldest = datetime.now(UTC) - STALE
    for node in nodes:
        name, status = node.metadata.name, node.status
        if status.last_report_time and status.last_report_time < oldest:
            yield f"node {name}: its agent has said nothing since {status.last_report_time:%Y-%m-%d %H:%M:%S} UTC"
        if status.backend == OFF and status.policies:
            yield f"node {name}: nothing is done: {'; '.join(one.message for one in status.reasons)}"
        if status.kernel_kills:
            yield f"node {name}: the kernel itself has chosen {status.kernel_kills} times (kubectl oompolicy decisions)"
        for problem in status.problems:
            yield f"node {name}: {problem}"


def _policy_row(policy: OOMPolicy) -> list[Cell]:
    ready = _condition(policy, READY)
    counts = policy.status.nodes
    paint = good if ready and ready.status == TRUE else bad
    return [
        plain(policy.metadata.name),
        plain(policy.spec.mode),
        plain(counts and counts.desired),
        plain(counts and counts.programmed),
        paint(ready.status if ready else "Unknown"),
        plain(ready and ready.reason),
    ]


def _condition(policy: OOMPolicy, kind: str) -> Condition | None:
    return next((one for one in policy.status.conditions if one.type == kind), None)


def _backend_rows(nodes: Sequence[OOMNode]) -> Iterator[list[Cell]]:
    for backend, count, reasons in by_backend(nodes):
        why = ", ".join(f"{name} ({times})" for name, times in reasons.items())
        yield [bad(backend) if backend == OFF else plain(backend), plain(count), plain(why)]


def _node_row(node: OOMNode) -> list[Cell]:
    status = node.status
    kernel = status.kernel_kills
    return [
        plain(node.metadata.name),
        plain(", ".join(policy.name for policy in status.policies)),
        plain(status.backend),
        plain(None if status.margin_bytes is None else amount(status.margin_bytes)),
        plain(None if status.threshold_bytes is None else amount(status.threshold_bytes)),
        plain(status.targets_mapped),
        plain(status.kills),
        warned(kernel) if kernel else plain(kernel),
    ]
