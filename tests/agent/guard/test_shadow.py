"""A policy in mode Audit beside one that enforces: it decides at the same triggers and touches nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from guard_node import POLICY, SHORT, Node

TRIAL = POLICY | {"name": "trial", "uid": "7a2d", "mode": "Audit"}


def pod(name: str, **standing: object) -> dict[str, object]:
    containers = [{"name": "main", "id": f"{name}-main"}]
    return {"uid": name, "namespace": "shop", "name": name, "containers": containers, **standing}


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """The one that audits would have spared whom the other kills first."""
    node = Node(tmp_path, cooldownSeconds=0)
    node.others = {"audit": {"policy": TRIAL, "pods": [pod("low", protect="Always"), pod("high", priority=1)]}}
    node.tell()
    yield node
    for process in node.processes.values():
        process.kill()
        process.wait()


def test_records_whom_it_would_have_killed_and_kills_nobody(node: Node) -> None:
    node.host.meminfo(available=SHORT)
    node.step()
    assert node.died("low")
    node.host.meminfo(available=900)
    node.step()
    would, did = sorted(node.journal(), key=lambda record: str(record["mode"]))
    assert (would["outcome"], would["policy"]["name"], would["victim"]["pod"]) == ("WouldKill", "trial", "high")
    assert (did["outcome"], did["policy"]["name"], did["victim"]["pod"]) == ("Killed", "mixed", "low")
    assert node.processes["high"].poll() is None
    assert node.status()["kills"] == 1


def test_decides_as_often_as_the_other_does(node: Node) -> None:
    """Not in every pass in which the other one's victim is waited for."""
    node.host.meminfo(available=SHORT)
    for _ in range(4):
        node.step()
    assert [record["outcome"] for record in node.journal()] == ["WouldKill"]


def test_records_that_it_would_have_found_nobody(node: Node) -> None:
    node.others["audit"]["pods"][1] = pod("high", protect="Always")
    node.tell()
    node.host.meminfo(available=SHORT)
    node.step()
    assert node.died("low")
    assert [record["outcome"] for record in node.journal()] == ["NothingEligible"]


def test_decides_nothing_by_a_backend_that_its_policy_does_not_allow(node: Node) -> None:
    node.others["audit"]["policy"] = TRIAL | {"backends": ["KernelHook"]}
    node.tell()
    node.host.meminfo(available=SHORT)
    node.step()
    assert node.died("low")
    node.host.meminfo(available=900)
    node.step()
    assert [record["policy"]["name"] for record in node.journal()] == ["mixed"]


def test_status_names_both(node: Node) -> None:
    node.step()
    status = node.status()
    assert (status["policy"]["name"], status["mode"], status["auditPolicy"]["name"]) == ("mixed", "Enforce", "trial")
