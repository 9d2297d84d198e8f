"""What is kept of pods and OOMNodes."""

from typing import Any

import pytest

from oompolicy_operator.observed import NodeReport, ReadyAgent, ready_agent, report


def pod(ready: str = "True", node: str | None = "n1") -> dict[str, Any]:
    conditions = [{"type": "Initialized", "status": "True"}, {"type": "Ready", "status": ready}]
    return {"metadata": {"uid": "u"}, "spec": {"nodeName": node} if node else {}, "status": {"conditions": conditions}}


@pytest.mark.parametrize(
    ("body", "found"),
    [
        pytest.param(pod(), ReadyAgent("u", "n1"), id="ready"),
        pytest.param(pod("False"), None, id="not-ready"),
        pytest.param(pod("Unknown"), None, id="node-is-lost"),
        pytest.param(pod(node=None), None, id="not-placed"),
        pytest.param({"metadata": {"uid": "u"}, "spec": {"nodeName": "n1"}}, None, id="no-status-yet"),
    ],
)
def test_agent_counts_when_it_is_ready(body: dict[str, Any], found: ReadyAgent | None) -> None:
    assert ready_agent(body) == found


def node(**status: Any) -> dict[str, Any]:  # noqa: ANN401 - any field of a status
    return {"metadata": {"name": "n1"}, "status": status}


def test_report_keeps_who_reports_and_what_is_applied() -> None:
    policies = [{"name": "mixed", "uid": "u", "generation": 3, "mode": "Enforce"}]
    found = report(node(agentPodUID="p", policies=policies, backend="Userspace", kills=9, marginBytes=1))
    assert found == NodeReport("p", (("u", 3),), "Userspace", "")


def test_report_keeps_what_needs_a_person() -> None:
    found = report(node(problems=["the disk is full"]))
    assert found
    assert found.problems == ("the disk is full",)


@pytest.mark.parametrize(
    ("backend", "why"),
    [
        pytest.param("Off", "NoPSI", id="nothing-works"),
        pytest.param("Userspace", "NotBuiltIn", id="a-better-one-does-not-work"),
        pytest.param("KernelHook", "", id="the-best-one-works"),
    ],
)
def test_report_says_why_there_is_no_better_backend(backend: str, why: str) -> None:
    reasons = [
        {"backend": "KernelHook", "reason": "NotBuiltIn", "message": "..."},
        {"backend": "Userspace", "reason": "NoPSI", "message": "..."},
    ]
    found = [each for each in reasons if each["backend"] != backend]
    assert report(node(backend=backend, reasons=found)) == NodeReport(None, (), backend, why)


def test_newer_numbers_make_no_newer_report() -> None:
    assert report(node(kills=1, marginBytes=5)) == report(node(kills=2, marginBytes=6))


def test_report_that_cannot_be_read_is_none() -> None:
    assert report(node(policies="all")) is None
