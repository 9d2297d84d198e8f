"""The chart's alerts: what promtool says of them, when each fires and when not, and what they tell people."""

import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from chart import rendered
from lab import prometheus
from monitoring import RULES, agents, alerts, described, metrics_in, operators

ROOT = Path(__file__).parents[2]
CASES = sorted((ROOT / "tests" / "data" / "alerts").glob("*.yaml"))


@cache
def promtool() -> Path:
    return prometheus.programs() / "promtool"


def told(*arguments: str | Path) -> tuple[int, str]:
    result = subprocess.run([promtool(), *arguments], capture_output=True, text=True, check=False)
    return result.returncode, result.stdout + result.stderr


def cases(path: Path) -> list[dict[str, Any]]:
    return [each for test in yaml.safe_load(path.read_text())["tests"] for each in test["alert_rule_test"]]


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_promtool_finds_nothing_wrong_with_the_rules() -> None:
    code, said = told("check", "rules", "--lint=all", "--lint-fatal", RULES)
    assert (code, f"{len(alerts())} rules found" in said) == (0, True), said


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_fires_when_it_should_and_only_then(path: Path) -> None:
    code, said = told("test", "rules", path)
    assert code == 0, said


@pytest.mark.parametrize("name", alerts())
def test_each_alert_is_tried_both_ways(name: str) -> None:
    (path,) = [path for path in CASES if path.stem == name]
    mine = [each["exp_alerts"] for each in cases(path) if each["alertname"] == name]
    assert any(mine)
    assert not all(mine)


@pytest.mark.parametrize("name", alerts())
def test_each_alert_names_only_metrics_that_there_are(name: str) -> None:
    known = {each.name for registry in (agents(), operators()) for each in described(registry)}
    found = metrics_in(alerts()[name]["expr"])
    assert found
    assert found <= known


@pytest.mark.parametrize("name", alerts())
def test_each_alert_says_what_is_wrong_and_where_to_read_on(name: str) -> None:
    said = alerts()[name]["annotations"]
    assert said["summary"]
    assert re.search(r"\d|\$value", said["description"])
    page, _, anchor = said["runbook"].partition("#")
    assert anchor
    assert anchor in anchors(ROOT / page)


def test_the_chart_renders_them_as_they_are() -> None:
    assert not [each for each in rendered() if each["kind"] == "PrometheusRule"]
    objects = rendered("prometheusRule.enabled=true", "prometheusRule.labels.release=mine")
    (found,) = [each for each in objects if each["kind"] == "PrometheusRule"]
    assert found["metadata"]["labels"]["release"] == "mine"
    assert found["spec"] == yaml.safe_load(RULES.read_text())
