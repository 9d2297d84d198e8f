"""docs/monitoring.md lists the metrics and alerts that there are, and no others; promtool likes their names."""

import re
import subprocess
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from lab import prometheus
from monitoring import Described, agents, alerts, described, operators

PAGE = (Path(__file__).parents[2] / "docs" / "monitoring.md").read_text()


def rows(heading: str) -> list[list[str]]:
    (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    table = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip().strip("`") for cell in row] for row in table[2:]]


def listed(heading: str) -> set[Described]:
    found = rows(heading)
    assert all(meaning for *_, meaning in found)
    return {Described(name, kind, tuple(filter(None, labels.split(", ")))) for name, kind, labels, _ in found}


@pytest.mark.parametrize(
    ("heading", "registry"), [("The agents' metrics", agents()), ("The operator's metrics", operators())]
)
def test_the_page_lists_each_metric_and_no_other(heading: str, registry: CollectorRegistry) -> None:
    assert listed(heading) == set(described(registry))


def test_the_page_lists_each_alert_with_its_severity_and_no_other() -> None:
    found = {name: severity for name, severity, _ in rows("The alerts")}
    assert found == {name: rule["labels"]["severity"] for name, rule in alerts().items()}


@pytest.mark.parametrize("registry", [agents(), operators()], ids=["agents", "operator"])
def test_promtool_finds_nothing_wrong_with_the_names(registry: CollectorRegistry) -> None:
    promtool = prometheus.programs() / "promtool"
    result = subprocess.run(
        [promtool, "check", "metrics"], input=generate_latest(registry), capture_output=True, check=False
    )
    assert (result.returncode, result.stdout + result.stderr) == (0, b"")
