"""The controller does what was decided, in order, and no more."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

import pytest

from oompolicy_api.policy import OOMPolicyStatus
from oompolicy_operator.acceptance import accept
from oompolicy_operator.controller import Controller
from oompolicy_operator.errors import ApiRefusedError, ApiUnavailableError
from oompolicy_operator.memory import Agents, Memory, StoredPolicy
from oompolicy_operator.metrics import Metrics
from oompolicy_operator.reconcile import Notice
from oompolicy_operator.settings import AgentSettings

pytestmark = pytest.mark.asyncio

AGENT = AgentSettings(namespace="agents", image="registry/agent:1")


@dataclass
class FakeCluster:
    """Remembers what was written; what stands in `errors` under its first word is raised instead."""

    written: list[str] = field(default_factory=list)
    statuses: list[OOMPolicyStatus] = field(default_factory=list)
    errors: dict[str, Exception] = field(default_factory=dict)

    async def apply_daemon_set(self, manifest: Mapping[str, Any]) -> None:
        """As Cluster.apply_daemon_set."""
        self._write(f"DaemonSet {manifest['metadata']['name']}")

    async def write_status(self, name: str, uid: str, status: OOMPolicyStatus) -> int:
        """As Cluster.write_status; each write makes a newer version."""
        self._write(f"status {name} {uid}")
        self.statuses.append(status)
        return 100 + len(self.statuses)

    async def post_event(self, name: str, uid: str, notice: Notice, *, now: datetime) -> None:
        """As Cluster.post_event."""
        assert (uid, now.tzinfo is not None) == ("u", True)
        self._write(f"Event {name} {notice.reason}")

    def _write(self, what: str) -> None:
        error = self.errors.get(what.split(maxsplit=1)[0])
        if error:
            raise error
        self.written.append(what)


def stored(version: int = 1, **more: Any) -> StoredPolicy:  # noqa: ANN401 - any field of a policy
    metadata = {"name": "mixed", "uid": "u", "generation": 1}
    return StoredPolicy(accept({"metadata": metadata, "spec": {}} | more), version)


def controller(cluster: FakeCluster, policies: dict[str, list[StoredPolicy]]) -> Controller:
    return Controller(cast("Any", cluster), Memory(policies, {"mixed": "u"}, {}, {}, {}, Agents()), AGENT, Metrics())


EVERYTHING = ["DaemonSet oompolicy-mixed", "status mixed u", "Event mixed NoMatchingNodes"]


async def test_new_policy_gets_agents_then_a_status_then_an_event() -> None:
    cluster = FakeCluster()
    await controller(cluster, {"mixed": [stored()]}).reconcile("mixed")
    assert cluster.written == EVERYTHING


async def test_policy_that_is_gone_needs_nothing() -> None:
    cluster = FakeCluster()
    await controller(cluster, {}).reconcile("mixed")
    assert cluster.written == []


async def test_own_status_counts_before_the_watch_brings_it_back() -> None:
    cluster = FakeCluster()
    running = controller(cluster, {"mixed": [stored()]})
    await running.reconcile("mixed")
    await running.reconcile("mixed")
    assert len(cluster.statuses) == 1


async def test_status_that_somebody_took_away_is_written_again() -> None:
    cluster = FakeCluster()
    policies = {"mixed": [stored()]}
    running = controller(cluster, policies)
    await running.reconcile("mixed")
    policies["mixed"] = [stored(version=999)]
    await running.reconcile("mixed")
    assert len(cluster.statuses) == 2


async def test_policy_made_again_under_its_old_name_gets_a_status_of_its_own() -> None:
    cluster = FakeCluster()
    policies = {"mixed": [stored()]}
    running = controller(cluster, policies)
    await running.reconcile("mixed")
    del policies["mixed"]
    await running.reconcile("mixed")
    policies["mixed"] = [stored()]
    await running.reconcile("mixed")
    assert len(cluster.statuses) == 2


async def test_refused_daemon_set_is_told_in_the_status_and_tried_again() -> None:
    refusal = ApiRefusedError("apply DaemonSet", 404, 'namespaces "agents" not found')
    cluster = FakeCluster(errors={"DaemonSet": refusal})
    with pytest.raises(ApiRefusedError):
        await controller(cluster, {"mixed": [stored()]}).reconcile("mixed")
    assert [each.message for each in cluster.statuses[0].conditions][1:3] == ['namespaces "agents" not found'] * 2


async def test_absent_api_server_is_tried_again_without_a_word_in_the_status() -> None:
    cluster = FakeCluster(errors={"DaemonSet": ApiUnavailableError("apply DaemonSet", "503")})
    with pytest.raises(ApiUnavailableError):
        await controller(cluster, {"mixed": [stored()]}).reconcile("mixed")
    assert cluster.written == []


@pytest.mark.parametrize("code", [404, 409])
async def test_policy_that_vanished_meanwhile_is_no_error(code: int) -> None:
    cluster = FakeCluster(errors={"status": ApiRefusedError("write status", code, "gone")})
    await controller(cluster, {"mixed": [stored()]}).reconcile("mixed")
    assert cluster.written == EVERYTHING[:1]


async def test_event_that_cannot_be_posted_stops_nothing() -> None:
    cluster = FakeCluster(errors={"Event": ApiRefusedError("post Event", 403, "quota")})
    await controller(cluster, {"mixed": [stored()]}).reconcile("mixed")
    assert cluster.written == EVERYTHING[:2]


async def test_policy_that_is_not_understood_keeps_its_agents() -> None:
    cluster = FakeCluster()
    await controller(cluster, {"mixed": [stored(spec={"mode": "Ask"})]}).reconcile("mixed")
    assert cluster.written == ["status mixed u", "Event mixed NotUnderstood"]
