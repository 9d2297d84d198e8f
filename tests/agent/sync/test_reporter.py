"""When the OOMNode is written, and that 5,000 agents do not write theirs in the same moment."""

from typing import Any, cast

import pytest
import structlog

from oompolicy_agent.sync.reporter import Reporter
from oompolicy_agent.sync.targets import Plan

pytestmark = pytest.mark.asyncio

POLICY = {"name": "mixed", "uid": "u", "generation": 1}


class Entry:
    """The node."""

    uid = "node-uid"


class World:
    """Knows the node."""

    node = Entry()


class FakeKeeper:
    """Knows the world."""

    world = World()
    plan = Plan(None)
    kubelet_hard_eviction_bytes = None


class FakeReport:
    """What the guard says."""

    def __init__(self) -> None:
        self.said: dict[str, Any] = {"backend": "Userspace", "mode": "Enforce", "policy": POLICY, "kills": 0}

    def version(self) -> object:
        """As GuardReport.version."""
        return str(self.said)

    def read(self) -> dict[str, Any]:
        """As GuardReport.read."""
        return self.said


class FakeSource:
    """Takes everything."""

    def __init__(self) -> None:
        self.written: list[dict[str, Any]] = []

    async def apply_node(self, name: str, node_uid: str) -> None:
        """As Source.apply_node."""
        assert (name, node_uid) == ("w1", "node-uid")

    async def apply_node_status(self, name: str, status: dict[str, Any]) -> None:
        """As Source.apply_node_status."""
        assert name == "w1"
        self.written.append(status)


class Scene:
    """A reporter at a time that the test says, and how much of its share an agent has drawn."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, share: float) -> None:
        self.now = 100.0
        monkeypatch.setattr("oompolicy_agent.sync.reporter.time.monotonic", lambda: self.now)
        monkeypatch.setattr(
            "oompolicy_agent.sync.reporter.random.uniform", lambda low, high: low + share * (high - low)
        )
        self.report, self.source = FakeReport(), FakeSource()
        source, report, keeper = (cast("Any", each) for each in (self.source, self.report, FakeKeeper()))
        self.reporter = Reporter(source, report, keeper, "w1", structlog.get_logger())

    async def count_at(self, now: float) -> int:
        """Writes so far, after a look at that time."""
        self.now = now
        await self.reporter.step()
        return len(self.source.written)

    def say(self, **changes: object) -> None:
        """The guard says something else."""
        self.report.said = self.report.said | changes


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
async def test_a_changed_policy_is_written_after_this_nodes_own_share_of_three_seconds(
    monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    scene = Scene(monkeypatch, share)
    assert await scene.count_at(100) == 1, "the first one at once"
    scene.say(policy=POLICY | {"generation": 2})
    assert await scene.count_at(110) == (1 if share else 2)
    scene.say(kills=1)
    assert await scene.count_at(110 + 3 * share - 0.01) == (1 if share else 2)
    await scene.count_at(113.1)
    assert scene.source.written[-1]["policies"][0]["generation"] == 2


async def test_a_kill_is_written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, 1.0)
    await scene.count_at(100)
    scene.say(kills=1)
    assert await scene.count_at(101) == 2


@pytest.mark.parametrize(("share", "seconds"), [(0.0, 60.0), (1.0, 48.0)])
async def test_heartbeats_drift_apart(monkeypatch: pytest.MonkeyPatch, share: float, seconds: float) -> None:
    scene = Scene(monkeypatch, share)
    await scene.count_at(100)
    scene.say(marginBytes=7)
    assert await scene.count_at(100 + seconds - 0.1) == 1
    assert await scene.count_at(100 + seconds) == 2
