"""`kubectl oompolicy`: kubectl finds the program `kubectl-oompolicy` on PATH.

It exits 0, or 2 with one line that says what is wrong, where, and what to do.
"""

import argparse
import sys
from collections.abc import Sequence

from oompolicy_agent.cli import decisions, explain, rank, replay, report, resolve, simulate, status
from oompolicy_agent.cli.live import CommandError
from oompolicy_agent.manifests import ManifestError

__all__ = ["main"]

BAD_INPUT, INTERRUPTED = 2, 130
COMMANDS = (status, rank, explain, decisions, resolve, simulate, replay, report)
"""Each has `add`, which makes its parser, and there names the function that runs it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command with `arguments`, by default those of the process; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="kubectl oompolicy", description="Who dies when a node runs out of memory, who died, and why."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except (CommandError, ManifestError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - this is a command
        return BAD_INPUT
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # as with `| head`
        sys.stderr.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
