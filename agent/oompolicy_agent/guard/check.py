"""`oompolicy-guard check`: says which backend works on this host, and why not a better one."""

import argparse
import sys

from oompolicy_agent.guard.host_options import add_host_options, settings_from
from oompolicy_agent.guard.support import BACKEND, BETTER, probe

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of the command."""
    add_host_options(parser)


def run(options: argparse.Namespace) -> int:
    """Prints a line for each backend, best first; returns 0 if one works, else 1."""
    settings = settings_from(options)
    obstacle = probe(settings.cgroup_root, settings.proc).obstacle
    lines = [f"{reason.backend}: no ({reason.reason}): {reason.message}" for reason in BETTER]
    lines.append(f"{BACKEND}: no ({obstacle.reason}): {obstacle.message}" if obstacle else f"{BACKEND}: yes")
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if obstacle else 0
