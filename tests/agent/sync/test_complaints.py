"""What is wrong in a pod is told to its tenant, once."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import structlog

from oompolicy_agent.resolve import PodProblem
from oompolicy_agent.sync.complaints import Complaints
from oompolicy_agent.sync.guard_report import GuardReport
from oompolicy_agent.sync.source import ApiError, Source
from oompolicy_agent.sync.targets import Plan

FAULT = PodProblem("u-1", "shop", "db", "annotation oompolicy.dev/priority: expected a whole number, found 'high'")


class FakeSource:
    """Takes Events, or refuses them with an answer seen from a real API server."""

    def __init__(self, refusal: ApiError | None = None) -> None:
        self.refusal = refusal
        self.offered: list[dict[str, Any]] = []
        self.has_been_asked = asyncio.Event()

    async def create(self, body: Mapping[str, Any]) -> None:
        """As Source.create."""
        self.offered.append(dict(body))
        self.has_been_asked.set()
        if self.refusal:
            raise self.refusal


async def told(folder: Path, source: FakeSource, *rounds: tuple[PodProblem, ...], pod_uid: str = "mine") -> None:
    """Has the keeper meet these problems one after the other."""
    (folder / "guard-status.json").write_text(json.dumps({"podUid": "mine"}))
    keeper = SimpleNamespace(plan=Plan(None))
    report = GuardReport(folder / "guard-status.json", pod_uid)
    complaints = Complaints(cast("Source", source), report, cast("Any", keeper), node="w1", log=structlog.get_logger())
    running = asyncio.create_task(complaints.run())
    for problems in rounds:
        source.has_been_asked.clear()
        keeper.plan = Plan(None, pod_problems=problems)
        await asyncio.wait_for(source.has_been_asked.wait(), 20)
    running.cancel()
    await asyncio.wait([running])


@pytest.mark.asyncio
async def test_a_fault_is_an_event_on_its_pod_and_told_once(tmp_path: Path) -> None:
    source, other = FakeSource(), PodProblem("u-2", "shop", "web", FAULT.message)
    await told(tmp_path, source, (FAULT,), (FAULT, other))
    first, second = source.offered
    assert (first["reason"], first["involvedObject"]["name"]) == ("OOMPolicyOverrideIgnored", "db")
    assert first["message"].startswith("Annotation oompolicy.dev/priority: expected a whole number")
    assert second["involvedObject"]["name"] == "web"


@pytest.mark.parametrize(
    "refusal",
    [
        pytest.param(ApiError(409, "AlreadyExists", "events exists"), id="told-before"),
        pytest.param(ApiError(404, "NotFound", "namespaces shop not found"), id="namespace-gone"),
        pytest.param(ApiError(0, "ClientConnectorError", "Connection refused"), id="nobody-there"),
    ],
)
@pytest.mark.asyncio
async def test_an_event_that_cannot_be_created_stops_nothing(tmp_path: Path, refusal: ApiError) -> None:
    source = FakeSource(refusal)
    await told(tmp_path, source, (FAULT,), (PodProblem("u-2", "shop", "web", "annotation"),))
    assert len(source.offered) == 2


@pytest.mark.asyncio
async def test_the_same_fault_always_has_the_same_name(tmp_path: Path) -> None:
    before, after = FakeSource(), FakeSource()
    await told(tmp_path, before, (FAULT,))
    await told(tmp_path, after, (FAULT,))
    assert before.offered[0]["metadata"]["name"] == after.offered[0]["metadata"]["name"]


@pytest.mark.asyncio
async def test_the_agent_beside_another_guard_keeps_quiet(tmp_path: Path) -> None:
    source = FakeSource()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(told(tmp_path, source, (FAULT,), pod_uid="another"), 1.2)
    assert source.offered == []
