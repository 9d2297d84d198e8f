"""All agents go before the chart does, the operator first."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from oompolicy_operator import retirement
from oompolicy_operator.retirement import retire

pytestmark = pytest.mark.asyncio


@dataclass
class FakeCluster:
    """Two nodes with a pod each; what runs is gone at the second look, except on dead nodes."""

    dead_nodes: frozenset[str] = frozenset()
    done: list[str] = field(default_factory=list)
    looked: set[str] = field(default_factory=set)

    async def stop_deployment(self, namespace: str, name: str) -> None:
        """As Cluster.stop_deployment."""
        self.done.append(f"stop {namespace}/{name}")

    async def delete_daemon_sets(self, namespace: str, labels: str) -> None:
        """As Cluster.delete_daemon_sets."""
        assert labels
        self.done.append(f"delete {namespace}")

    async def pods(self, namespace: str, labels: str) -> list[Mapping[str, Any]]:
        """As Cluster.pods."""
        assert labels
        left = ("n1", "n2") if namespace not in self.looked else self.dead_nodes
        self.looked.add(namespace)
        if not left:
            self.done.append(f"gone {namespace}")
        return [{"spec": {"nodeName": name}} for name in left]


async def retired(cluster: FakeCluster, seconds: float) -> bool:
    return await retire(cast("Any", cluster), operator_namespace="system", agents_namespace="agents", seconds=seconds)


async def test_stops_the_operator_before_it_removes_its_agents(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retirement, "LOOK_SECONDS", 0)
    cluster = FakeCluster()
    assert await retired(cluster, 60)
    assert cluster.done == ["stop system/oompolicy-operator", "gone system", "delete agents", "gone agents"]


async def test_names_the_nodes_whose_agents_do_not_go(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(retirement, "LOOK_SECONDS", 0)
    assert not await retired(FakeCluster(frozenset({"n2"})), 0.5)
    assert "Some agents have not gone" in caplog.text
    assert caplog.records[-1].__dict__["nodes"] == ["n2"]
