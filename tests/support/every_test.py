"""Runs every test: first those that need no machine, beside each other, then those that need one, one by one.

`python -m every_test [ARGUMENT ...]`, with arguments for pytest. Nothing may run beside a virtual machine whose memory
runs out: two processors are all that most of us have, and how soon a guard acts is what these tests are about.
"""

import os
import subprocess
import sys

from lab.ahead import Ahead

MACHINES = "vm or node"
"""Marks of tests that need one."""

BESIDE_EACH_OTHER = (f"--numprocesses={(os.cpu_count() or 1) + 1}", "--dist=loadfile", "--no-loadscope-reorder")
"""One more than there are processors, because these tests mostly wait; file by file in their order, in which short ones
come last (pytest-xdist's own begins with those of many tests)."""


def main(arguments: list[str]) -> int:
    """Runs both parts, whatever comes of the first one; 0 if nothing failed in either."""
    with Ahead():
        codes = [_pytest(*BESIDE_EACH_OTHER, "-m", f"not ({MACHINES})", *arguments)]
    codes.append(_pytest("-m", MACHINES, *arguments))
    return next(filter(None, codes), 0)


def _pytest(*arguments: str) -> int:
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
