"""`kubectl oompolicy` against a real API server, as a person calls it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from lab.control_plane import ControlPlane
from oompolicy_agent.cli.__main__ import main
from oompolicy_agent.sync.decisions import decision_for
from operating.command_line import Command

pytestmark = pytest.mark.cluster

API = "oompolicy.dev/v1alpha1"
PRIORITIES = {"batch": 10, "web": 100, "db": 900}


class Given:
    """A node of the test's own with three pods, under a policy that nobody else's node is selected by."""

    def __init__(self, control_plane: ControlPlane, namespace: str) -> None:
        self.name, self.namespace = f"t{uuid4().hex[:8]}", namespace
        self._control_plane = control_plane
        self.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": self.name, "labels": {"pool": self.name}}})
        self.apply(self.policy())
        account = ("-n", namespace, "wait", "--for=create", "serviceaccount/default", "--timeout=60s")
        control_plane.kubectl(*account)  # without it no pod is let in
        for name in PRIORITIES:
            spec = {"nodeName": self.name, "containers": [{"name": "main", "image": "pause"}]}
            metadata = {"name": name, "namespace": namespace, "labels": {"app": name}}
            self.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})

    def policy(self, **priorities: int) -> dict[str, Any]:
        """One rule for each app."""
        rules = [
            {"name": name, "match": {"podSelector": {"matchLabels": {"app": name}}}, "priority": priority}
            for name, priority in (PRIORITIES | priorities).items()
        ]
        spec = {"nodeSelector": {"matchLabels": {"pool": self.name}}, "rules": rules}
        return {"apiVersion": API, "kind": "OOMPolicy", "metadata": {"name": self.name}, "spec": spec}

    def reports(self, **status: object) -> None:
        """What the node's agent says."""
        self.apply({"apiVersion": API, "kind": "OOMNode", "metadata": {"name": self.name}})
        patch = ("--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))
        self._control_plane.kubectl("patch", "oomnode", self.name, *patch)

    def decided(self, number: int, pod: str, **more: object) -> str:
        """A decision about one of the pods; returns its name."""
        standing = {"priority": PRIORITIES[pod], "rule": pod, "usageBytes": 200 << 20}
        victim = {"path": f"/kubepods/{pod}", "namespace": self.namespace, "pod": pod, "container": "main", **standing}
        record = {
            "id": f"d-{number}",
            "time": datetime.now(UTC).isoformat(),
            "domain": "/",
            "mode": "Enforce",
            "backend": "Userspace",
            "outcome": "Killed",
            "victim": victim,
            "layers": [
                {"parent": "/", "chosen": "/kubepods", "spared": [], "sparedCount": 0, "decidedBy": "OnlyChild"}
            ],
            "why": "priority 10 is lower than 100",
        }
        body = decision_for(record | more, self.name, self.namespace)
        self.apply(body)
        return str(body["metadata"]["name"])

    def apply(self, body: dict[str, Any]) -> None:
        """As the administrator."""
        self._control_plane.apply(json.dumps(body))

    def end(self) -> None:
        """Takes away what no namespace holds."""
        for kind in ("oompolicy", "oomnode", "node"):
            self._control_plane.kubectl("delete", kind, self.name, "--ignore-not-found")


@pytest.fixture
def given(control_plane: ControlPlane, namespace: str) -> Iterator[Given]:
    made = Given(control_plane, namespace)
    yield made
    made.end()


@pytest.fixture
def command(control_plane: ControlPlane, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(control_plane, capsys)


def test_all_that_is_ours_is_listed_together_and_a_policy_can_be_named_alone(
    given: Given, control_plane: ControlPlane
) -> None:
    given.reports(backend="Userspace")
    name = given.decided(1, "batch")
    listed = control_plane.kubectl("get", "oom", "-n", given.namespace, "-o", "name").split()
    ours = {
        f"oompolicy.oompolicy.dev/{given.name}",
        f"oomnode.oompolicy.dev/{given.name}",
        f"oomdecision.oompolicy.dev/{name}",
    }
    assert ours <= set(listed)
    assert given.name in control_plane.kubectl("get", "oompolicy", given.name)


def test_status_names_policies_backends_with_why_not_better_ones_and_what_is_wrong(
    given: Given, command: Command
) -> None:
    why = {"backend": "KernelHook", "reason": "NoHook", "message": "This kernel has none"}
    problem = "The journal's disk is full"
    given.reports(backend="Userspace", reasons=[why], kernelKills=2, problems=[problem])
    found = command.document("status")
    assert given.name in [policy["name"] for policy in found["policies"]]
    (node,) = [node for node in found["nodes"] if node["name"] == given.name]
    assert node["kernelKills"] == 2
    assert f"node {given.name}: {problem}" in found["attention"]
    text = command.text("status", "-o", "wide")
    assert "KernelHook: NoHook" in text
    assert f"node {given.name}: the kernel itself has chosen 2 times" in text


def test_explain_tells_the_rule_who_goes_before_and_what_happened(given: Given, command: Command) -> None:
    given.decided(1, "batch")
    found = command.document("explain", "web", "-n", given.namespace)
    assert (found["priority"], found["rule"], found["node"], found["policy"]) == (100, "web", given.name, given.name)
    assert [one["pod"] for one in found["before"]] == [f"{given.namespace}/batch"]
    assert "nobody has died near it" in command.text("explain", "web", "-n", given.namespace)
    text = command.text("explain", "batch", "-n", given.namespace)
    assert f"{given.namespace}/batch on {given.name}: priority 10 by rule batch" in text
    assert "no pod before it when the node runs out of memory" in text
    assert f"Killed: {given.namespace}/batch/main" in text


def test_explain_says_when_there_is_no_such_pod(given: Given, command: Command) -> None:
    said = command.refusal("explain", "nobody", "-n", given.namespace)
    assert said == f"expected a pod {given.namespace}/nobody, found none: see kubectl get pods -A\n"


def test_decisions_are_found_by_what_they_are_about(given: Given, command: Command) -> None:
    given.decided(1, "batch")
    would = given.decided(2, "web", outcome="WouldKill", mode="Audit")
    here = ("--node", given.name)
    assert len(command.document("decisions", *here)["decisions"]) == 2
    assert [one["victim"]["pod"] for one in command.document("decisions", *here, "--pod=batch")["decisions"]] == [
        "batch"
    ]
    assert [one["name"] for one in command.document("decisions", *here, "--outcome=WouldKill")["decisions"]] == [would]
    assert command.document("decisions", *here, "--since=1h")["decisions"]
    lines = command.text("decisions", *here, "-o", "wide").splitlines()
    assert lines[0].split() == [
        "TIME",
        "NODE",
        "OUTCOME",
        "VICTIM",
        "PRIORITY",
        "RULE",
        "BACKEND",
        "FREED",
        "NAME",
        "WHY",
    ]
    assert len(lines) == 3


def test_one_decision_is_told_layer_by_layer(given: Given, command: Command) -> None:
    name = given.decided(1, "batch")
    text = command.text("decision", name)
    assert f"Killed: {given.namespace}/batch/main (priority 10 by rule batch, 200.0 MiB) on {given.name}" in text
    assert "in /: /kubepods by OnlyChild" in text
    assert "expected an OOMDecision nothing, found none" in command.refusal("decision", "nothing")


def test_simulate_shows_what_a_changed_policy_changes(given: Given, command: Command, tmp_path: Path) -> None:
    changed = tmp_path / "policy.json"
    changed.write_text(json.dumps(given.policy(batch=500)))
    found = command.document("simulate", "-f", str(changed))
    batch = {"pod": f"{given.namespace}/batch", "node": given.name}
    assert found["changes"] == [batch | {"now": "priority 10 by rule batch", "changed": "priority 500 by rule batch"}]
    moved = [line[0] for line in found["orders"][given.name][3:] if line[0] != " "]
    assert sorted(moved) == ["+", "-"]
    assert f"{given.namespace}/batch" in command.text("simulate", "-f", str(changed))
    changed.write_text(json.dumps(given.policy()))
    assert "No pod's target would change" in command.text("simulate", "-f", str(changed))
    off = given.policy()
    off["spec"]["mode"] = "Off"
    changed.write_text(json.dumps(off))
    found = command.document("simulate", "-f", str(changed))
    assert "mode" in found["fields"]
    assert {one["changed"] for one in found["changes"]} == {"no policy"}


def test_a_cluster_that_does_not_answer_is_an_error_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "kubeconfig"
    assert main(["status", f"--kubeconfig={missing}"]) == 2
    assert capsys.readouterr().err.startswith("expected a kubeconfig, as kubectl needs one: ")
