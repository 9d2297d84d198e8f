"""`oompolicy-guard`: guards a host (`run`), says what works here (`check`), or ranks a recorded tree (`rank`)."""

import argparse
import importlib
import sys
from collections.abc import Sequence

from oompolicy_agent.guard import run

__all__ = ["main"]

COMMANDS = {
    "run": "guard this host until SIGTERM",
    "check": "say what this host offers, which backend works on it, and why not a better one",
    "rank": "say in which order a recorded tree would die, and why",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Parses the command line and exits with the command's code.

    Only the command that is wanted is imported: what `rank` needs would stay in the guard's memory for ever.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    parser = argparse.ArgumentParser(prog="oompolicy-guard", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=f"Will {summary}.")
        if words[:1] == [name]:
            module = run if name == "run" else importlib.import_module(f"oompolicy_agent.guard.{name}")
            module.add_arguments(command)
            command.set_defaults(execute=module.run)
    options = parser.parse_args(words)
    sys.exit(options.execute(options))


if __name__ == "__main__":
    main()
