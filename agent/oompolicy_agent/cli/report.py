"""`kubectl oompolicy report NAME --html FILE`: one decision as a page to look at, to keep, or to send."""

import argparse
from pathlib import Path
from typing import Any

from oompolicy_agent.cli.decisions import found_by_name
from oompolicy_agent.cli.live import Cluster, CommandError, add_cluster
from oompolicy_agent.cli.page import page
from oompolicy_agent.manifests import read_manifests
from oompolicy_agent.sync.files import replace_text
from oompolicy_api.decision import OOMDecision

__all__ = ["add"]

MODE = 0o644


def add(commands: Any) -> None:  # noqa: ANN401 - argparse has no public type for it
    """Its parser."""
    text = "one decision as a page of HTML that needs nothing else"
    command = commands.add_parser("report", help=text, description=f"Writes {text}.")
    command.add_argument("name", help="of the OOMDecision: see `kubectl oompolicy decisions -o wide`")
    command.add_argument("--html", required=True, metavar="FILE", help="where to write it; - is standard output")
    command.add_argument(
        "--against",
        action="append",
        metavar="FILE",
        help="YAML with OOMDecisions, instead of the cluster",
    )
    add_cluster(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Writes it."""
    text = page(_decision(options))
    if options.html == "-":
        print(text)  # noqa: T201 - this is a command
        return
    try:
        replace_text(Path(options.html), text, MODE)
    except OSError as error:
        raise CommandError(f"{options.html}: {error.strerror}") from error


def _decision(options: argparse.Namespace) -> OOMDecision:
    if not options.against:
        return found_by_name(Cluster(options), options.name)
    decisions = read_manifests(options.against).decisions
    found = next((one for one in decisions if one.metadata.name == options.name), None)
    if found is None:
        raise CommandError(f"expected an OOMDecision {options.name} in {', '.join(options.against)}, found none")
    return found
