"""Recorded decisions under a changed policy."""

import json
from pathlib import Path
from typing import Any

import pytest

from oompolicy_agent.cli.__main__ import main

API = "oompolicy.dev/v1alpha1"


def policy(**rules: Any) -> dict[str, Any]:  # noqa: ANN401 - what a rule says of an app
    found = [
        {"name": app, "match": {"podSelector": {"matchLabels": {"app": app}}, "namespaceSelector": {}}, **says}
        for app, says in rules.items()
    ]
    return {"apiVersion": API, "kind": "OOMPolicy", "metadata": {"name": "p"}, "spec": {"rules": found}}


def pod(name: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "shop", "labels": {"app": name}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [{"name": "main"}]}}


def decision(*order: str, tie: int = 100) -> dict[str, Any]:
    """Who was chosen first, and the others in order, with decreasing usage."""
    victims = [
        {"path": f"/kubepods/{name}", "namespace": "shop", "pod": name, "usageBytes": tie - number}
        for number, name in enumerate(order)
    ]
    spec = {
        "id": "1",
        "node": "n",
        "time": "2026-11-28T10:00:00Z",
        "domain": "/",
        "mode": "Enforce",
        "outcome": "Killed",
    }
    chosen = {"victim": victims[0], "ranking": victims} if victims else {}
    return {"apiVersion": API, "kind": "OOMDecision", "metadata": {"name": "d"}, "spec": spec | chosen}


LOW, HIGH, SAFE = {"priority": 1}, {"priority": 9}, {"protect": {"upTo": "Always"}}


@pytest.mark.parametrize(
    ("order", "rules", "expected"),
    [
        pytest.param("ab", {"a": LOW, "b": HIGH}, ("Same", "shop/a"), id="nothing-changed"),
        pytest.param("ab", {"a": HIGH, "b": LOW}, ("Differs", "shop/b"), id="another-one"),
        pytest.param("ab", {"a": SAFE, "b": HIGH}, ("Differs", "shop/b"), id="protected-now"),
        pytest.param("ab", {"a": SAFE, "b": SAFE}, ("Differs", None), id="nobody"),
        pytest.param("ab", {}, ("Same", "shop/a"), id="at-equal-priority-by-usage"),
        pytest.param("ax", {"a": LOW}, ("CannotTell", None), id="gone"),
        pytest.param("", {"a": LOW}, ("CannotTell", None), id="nobody-was-chosen"),
    ],
)
def test_a_decision_is_made_again(
    order: str,
    rules: dict[str, Any],
    expected: tuple[str, str | None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    changed, records = tmp_path / "policy.yaml", tmp_path / "records.yaml"
    changed.write_text(json.dumps(policy(**rules)))
    there = {"apiVersion": "v1", "kind": "List", "items": [decision(*order), pod("a"), pod("b")]}
    records.write_text(json.dumps(there))
    assert main(["replay", "-f", str(changed), "--against", str(records), "-o", "json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["decisions"]
    assert (found["verdict"], found["wouldDie"]) == expected
    assert main(["replay", "-f", str(changed), "--against", str(records)]) == 0
    assert f"1 decision: 1 {expected[0]}" in capsys.readouterr().out


def test_a_decision_that_cannot_be_read_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed, records = tmp_path / "policy.yaml", tmp_path / "records.yaml"
    changed.write_text(json.dumps(policy()))
    bad = decision("a")
    del bad["spec"]["node"]
    records.write_text(json.dumps(bad))
    assert main(["replay", "-f", str(changed), "--against", str(records)]) == 2
    assert capsys.readouterr().err == f"{records}: decision d: spec.node: Field required\n"
