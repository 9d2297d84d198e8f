"""Builds what the tests run as a workload, tests/workload/workload.c, so that it runs in any machine and any image."""

import subprocess
from pathlib import Path

from lab import cache, tools

__all__ = ["FOLDER", "program"]

FOLDER = Path(__file__).parents[2] / "workload"
FLAGS = ("-static", "-O2", "-Wall", "-Wextra", "-Werror")


def program() -> Path:
    """The program, linked statically, from the cache or made now."""
    return cache.built("workload", [*FLAGS, FOLDER / "workload.c"], _compile) / "workload"


def _compile(folder: Path) -> None:
    gcc = tools.require("gcc", package="gcc libc6-dev")
    subprocess.run([gcc, *FLAGS, "-o", folder / "workload", FOLDER / "workload.c"], check=True)
