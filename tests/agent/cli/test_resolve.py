"""`kubectl oompolicy resolve`, as a person or a program calls it."""

import json
from pathlib import Path
from typing import Any

import pytest

from oompolicy_agent.cli.__main__ import main

POLICY = """
apiVersion: oompolicy.dev/v1alpha1
kind: OOMPolicy
metadata: {name: mixed}
spec:
  defaultPriority: 7
  rules:
  - name: databases
    match: {namespaceSelector: {matchLabels: {tier: data}}}
    protect: {upTo: Always}
  - name: batch
    match: {podSelector: {matchLabels: {app: batch}}}
    priority: 10
"""
PODS = """
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop}}
- {apiVersion: v1, kind: Pod, metadata: {name: db, namespace: shop-data}}
- {apiVersion: v1, kind: Pod, metadata: {name: b-1, namespace: shop, labels: {app: batch}}}
- {apiVersion: v1, kind: Pod, metadata: {name: b-0, namespace: shop, labels: {app: batch}}, status: {phase: Succeeded}}
"""
NAMESPACES = """
apiVersion: v1
kind: NamespaceList
items:
- metadata: {name: shop-data, labels: {tier: data}}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
"""


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """The three files, in an order that nobody expects."""
    contents = {"pods.yaml": PODS, "namespaces.yaml": NAMESPACES, "policy.yaml": POLICY}
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
    return [part for name in contents for part in ("-f", str(tmp_path / name))]


def entry(namespace: str, pod: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON values
    rest = {"container": None, "priority": None, "protect": None, "unit": "Container", "rule": None, "source": "Rule"}
    return {"namespace": namespace, "pod": pod} | rest | more


def test_prints_the_target_of_every_pod_as_json(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["resolve", *files, "--output", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "targets": [
            entry("shop", "web", priority=7, source="Default"),
            entry("shop-data", "db", protect="Always", rule="databases"),
            entry("shop", "b-1", priority=10, rule="batch"),
        ]
    }


def test_a_container_with_a_priority_of_its_own_has_an_entry(
    files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    containers = "    containers: [{name: exporter, priority: 1}]\n"
    policy, pods = Path(files[5]), Path(files[1])
    policy.write_text(policy.read_text().replace("    priority: 10\n", f"    priority: 10\n{containers}"))
    pods.write_text(pods.read_text().replace("app: batch}}}", "app: batch}}, spec: {containers: [{name: exporter}]}}"))
    assert main(["resolve", *files, "--output", "json"]) == 0
    found = [one for one in json.loads(capsys.readouterr().out)["targets"] if one["pod"] == "b-1"]
    assert found == [
        entry("shop", "b-1", priority=10, rule="batch"),
        entry("shop", "b-1", container="exporter", priority=1, rule="batch"),
    ]


def test_prints_a_table_with_the_first_to_die_on_top(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["resolve", *files]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "NAMESPACE   POD   CONTAINER   PRIORITY   PROTECT   UNIT        RULE        SOURCE",
        "shop        web   -           7          -         Container   -           Default",
        "shop        b-1   -           10         -         Container   batch       Rule",
        "shop-data   db    -           -          Always    Container   databases   Rule",
    ]


def test_without_namespaces_only_their_names_are_known(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    place = next(i for i, part in enumerate(files) if part.endswith("namespaces.yaml"))
    assert main(["resolve", *files[: place - 1], *files[place + 1 :], "-o", "json"]) == 0
    assert entry("shop-data", "db", priority=7, source="Default") in json.loads(capsys.readouterr().out)["targets"]


def test_says_what_it_protects_because_it_does_not_understand_it(
    tmp_path: Path, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY.replace("    priority: 10", "    budget: {share: 3}"))
    assert main(["resolve", *files, "-o", "json"]) == 0
    output = capsys.readouterr()
    assert entry("shop", "b-1", protect="Always", rule="batch") in json.loads(output.out)["targets"]
    assert output.err.startswith("Policy mixed, rule batch: expected exactly one of priority, priorityFrom, protect")


@pytest.mark.parametrize(
    ("file", "change", "line"),
    [
        pytest.param(
            "policy",
            ("    priority: 10", "    priority: 10\n    protect: {upTo: Always}"),
            "spec.rules[1]: must set exactly one of priority, priorityFrom, protect, found priority and protect",
            id="two-of-a-union",
        ),
        pytest.param(
            "policy",
            ("    match: {podSelector: {matchLabels: {app: batch}}}\n", ""),
            "spec.rules[1].match: Field required, found",
            id="no-match",
        ),
        pytest.param(
            "policy",
            ("  defaultPriority: 7", "  mode: Loud"),
            "spec.mode: expected Enforce, Audit, Off, found 'Loud'",
            id="unknown-mode",
        ),
        pytest.param(
            "policy",
            ("  defaultPriority: 7", "  mode: Off"),
            "spec.mode: Input should be a valid string, found False",
            id="off-that-yaml-takes-for-false",
        ),
        pytest.param(
            "policy",
            ("priority: 10", "priority: 3000000000"),
            "spec.rules[1].priority: expected an int32, found 3000000000",
            id="priority-out-of-bounds",
        ),
        pytest.param(
            "policy",
            ("priority: 10", "priority: '10'"),
            "spec.rules[1].priority: Input should be a valid integer, found '10'",
            id="priority-is-text",
        ),
        pytest.param(
            "policy",
            ("match: {namespaceSelector: {matchLabels: {tier: data}}}", "match: {}"),
            "spec.rules[0].match: must have a namespaceSelector",
            id="protection-by-the-tenants-labels",
        ),
        pytest.param(
            "policy",
            ("name: batch", "name: databases"),
            "spec.rules[1].name: expected a name of its own, found 'databases' twice",
            id="name-twice",
        ),
        pytest.param(
            "policy",
            ("v1alpha1", "v9"),
            "apiVersion: expected oompolicy.dev/v1alpha1 for OOMPolicy, found 'oompolicy.dev/v9'",
            id="another-version",
        ),
        pytest.param(
            "policy",
            ("kind: OOMPolicy", "kind: Deployment"),
            "kind: expected OOMPolicy, OOMDecision, Pod, Namespace or List, found 'Deployment'",
            id="another-kind",
        ),
        pytest.param(
            "pods",
            ("name: web, ", ""),
            "pod None: metadata.name: expected a string, found None",
            id="pod-without-a-name",
        ),
        pytest.param("pods", ("- {apiVersion", "- {{apiVersion"), "expected YAML:", id="no-yaml"),
        pytest.param(
            "namespaces",
            ("metadata: {name: shop}", "metadata: {}"),
            "namespace None: metadata: expected a name and labels",
            id="namespace-without-a-name",
        ),
    ],
)
def test_bad_input_is_one_line_with_file_and_field(
    files: list[str], capsys: pytest.CaptureFixture[str], file: str, change: tuple[str, str], line: str
) -> None:
    path = next(Path(part) for part in files if part.endswith(f"{file}.yaml"))
    good = path.read_text()
    path.write_text(good.replace(*change))
    assert path.read_text() != good
    assert main(["resolve", *files, "-o", "json"]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    (only,) = output.err.splitlines()
    assert only.startswith(f"{path}: {line}")


def test_a_file_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["resolve", "-f", "/nowhere/policy.yaml"]) == 2
    assert capsys.readouterr().err == "/nowhere/policy.yaml: No such file or directory\n"


@pytest.mark.parametrize(("copies", "found"), [(0, 0), (2, 2)])
def test_exactly_one_policy_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], copies: int, found: int
) -> None:
    path = tmp_path / "all.yaml"
    path.write_text("---".join([PODS, *[POLICY] * copies]))
    assert main(["resolve", "-f", str(path)]) == 2
    assert capsys.readouterr().err == f"{path}: kind: expected exactly one OOMPolicy, found {found}\n"
