"""The dashboard as a file. That each of its queries has an answer is shown by a real Prometheus, in tests/cluster."""

import json
from typing import Any

import pytest

from chart import rendered
from monitoring import DASHBOARD, agents, described, metrics_in, operators, queries

PANELS = json.loads(DASHBOARD.read_text())["panels"]


@pytest.mark.parametrize("name", queries())
def test_each_query_names_only_metrics_that_there_are(name: str) -> None:
    known = {each.name for registry in (agents(), operators()) for each in described(registry)}
    found = metrics_in(queries()[name])
    assert found
    assert found <= known


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_each_panel_says_what_it_shows_and_asks_whom_the_reader_chose(panel: dict[str, Any]) -> None:
    assert panel["description"]
    assert '"uid": "${datasource}"' in json.dumps(panel["datasource"])
    assert json.dumps(panel["targets"]).count('"uid": "${datasource}"') == len(panel["targets"])


def test_no_two_panels_have_one_number_or_overlap() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in PANELS)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


def test_the_chart_gives_it_to_grafana_as_it_is() -> None:
    assert not [each for each in rendered() if each["metadata"]["name"] == "oompolicy-dashboard"]
    objects = rendered("dashboard.enabled=true", "dashboard.labels.team=nodes")
    (found,) = [each for each in objects if each["metadata"]["name"] == "oompolicy-dashboard"]
    labels = found["metadata"]["labels"]
    assert (found["kind"], labels["grafana_dashboard"], labels["team"]) == ("ConfigMap", "1", "nodes")
    assert json.loads(found["data"]["oompolicy.json"]) == json.loads(DASHBOARD.read_text())
