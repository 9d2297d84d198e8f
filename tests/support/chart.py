"""Renders the chart as `helm template` does."""

import subprocess
from pathlib import Path
from typing import Any

import yaml

from lab import binaries

__all__ = ["CHART", "Object", "helm", "rendered"]

CHART = Path(__file__).parents[2] / "charts" / "oompolicy"

Object = dict[str, Any]


def helm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs helm; whether it went well is in the result."""
    return subprocess.run([binaries.helm(), *arguments], capture_output=True, text=True, check=False)


def rendered(*values: str) -> list[Object]:
    """Every object of the chart, with these values set (`a.b=c`)."""
    chosen = [f"--set={value}" for value in values]
    result = helm("template", "oompolicy", CHART, "--namespace=oompolicy-system", *chosen)
    assert result.returncode == 0, result.stderr
    return [found for found in yaml.safe_load_all(result.stdout) if found]
