"""Publishing decisions: each once if the API server is there, none lost if it is not."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, cast

import pytest
import structlog

from oompolicy_agent.sync.guard_report import GuardReport
from oompolicy_agent.sync.journal import Journal
from oompolicy_agent.sync.publisher import Publisher
from oompolicy_agent.sync.source import ApiError, Source

UNAVAILABLE = ApiError(0, "ClientConnectorError", "Connection refused")


class FakeSource:
    """Takes Events; answers with each of `errors`, all seen from a real API server, then with success."""

    def __init__(self, *errors: ApiError) -> None:
        self._errors = list(errors)
        self.calls = asyncio.Condition()
        self.tried: list[str] = []
        self.created: list[str] = []

    async def create(self, body: Mapping[str, Any]) -> None:
        """As Source.create."""
        is_event = body["kind"] == "Event"
        name = body["involvedObject"]["name"] if is_event else f"decision {body['spec']['victim']['pod']}"
        async with self.calls:
            self.tried.append(name)
            self.calls.notify_all()
        if self._errors:
            raise self._errors.pop(0)
        self.created.append(name)

    async def has_tried(self, count: int) -> None:
        """Returns when `count` Events were offered."""
        async with self.calls:
            await self.calls.wait_for(lambda: len(self.tried) >= count)


def decide(state: Path, *pods: str) -> None:
    """Writes one finished kill for each pod, as the guard does."""
    with (state / "decisions.jsonl").open("a") as journal:
        for pod in pods:
            victim = {
                "namespace": "shop",
                "pod": pod,
                "podUid": f"uid-{pod}",
                "path": "/c",
                "container": "main",
                "priority": 1,
            }
            record = {"id": f"id-{pod}", "time": "2026-11-24T01:53:49.123Z", "domain": "/", "mode": "Enforce"}
            journal.write(json.dumps(record | {"outcome": "Killed", "freedBytes": 1, "victim": victim}) + "\n")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A folder with the report of the guard in the pod `mine`."""
    (tmp_path / "guard-status.json").write_text(json.dumps({"podUid": "mine"}))
    return tmp_path


async def publish(
    state: Path,
    source: FakeSource,
    until: Callable[[], Awaitable[Any]],
    *,
    pod_uid: str = "mine",
    namespace: str = "",
) -> None:
    """Runs a publisher until `until` returns, at most 20 s."""
    publisher = Publisher(
        cast("Source", source),
        GuardReport(state / "guard-status.json", pod_uid),
        Journal(state / "decisions.jsonl"),
        position_path=state / "published.json",
        node="w1",
        namespace=namespace,
        log=structlog.get_logger(),
    )
    running = asyncio.create_task(publisher.run())
    try:
        async with asyncio.timeout(20):
            await until()
    finally:
        running.cancel()
        await asyncio.wait([running])


@pytest.mark.asyncio
async def test_what_was_published_is_not_published_again_after_a_restart(state: Path) -> None:
    decide(state, "a", "b")
    source = FakeSource()
    await publish(state, source, lambda: source.has_tried(2))
    decide(state, "c")
    await publish(state, source, lambda: source.has_tried(3))
    # The second was being published when the first run ended; that it may come twice is what its name is for.
    assert source.tried in (["a", "b", "c"], ["a", "b", "b", "c"])


@pytest.mark.asyncio
async def test_each_decision_becomes_an_object_before_the_event_on_its_victim(state: Path) -> None:
    decide(state, "a", "b")
    source = FakeSource(UNAVAILABLE)
    await publish(state, source, lambda: source.has_tried(5), namespace="oompolicy-system")
    assert source.tried == ["decision a", "decision a", "a", "decision b", "b"]


@pytest.mark.asyncio
async def test_what_comes_while_it_runs_is_published(state: Path) -> None:
    source = FakeSource()

    async def story() -> None:
        for i, pod in enumerate("abc"):
            decide(state, pod)
            await source.has_tried(i + 1)

    await publish(state, source, story)
    assert source.created[:2] == ["a", "b"]


@pytest.mark.asyncio
async def test_waits_for_an_api_server_that_is_away(state: Path) -> None:
    decide(state, "a", "b")
    source = FakeSource(UNAVAILABLE, ApiError(503, "ServiceUnavailable", "etcd leader changed"))
    await publish(state, source, lambda: source.has_tried(4))
    assert source.tried == ["a", "a", "a", "b"]


@pytest.mark.parametrize(
    "refusal",
    [
        pytest.param(ApiError(409, "AlreadyExists", "events a already exists"), id="published-before"),
        pytest.param(ApiError(404, "NotFound", "namespaces shop not found"), id="namespace-gone"),
        pytest.param(ApiError(403, "Forbidden", "being terminated", ("NamespaceTerminating",)), id="namespace-going"),
        pytest.param(ApiError(422, "Invalid", "message: too long"), id="never-accepted"),
    ],
)
@pytest.mark.asyncio
async def test_goes_on_after_an_event_that_cannot_be_created(state: Path, refusal: ApiError) -> None:
    decide(state, "a", "b")
    source = FakeSource(refusal)
    await publish(state, source, lambda: source.has_tried(2))
    assert source.tried == ["a", "b"]


@pytest.mark.asyncio
async def test_without_the_right_it_waits_for_it(state: Path) -> None:
    decide(state, "a")
    source = FakeSource(ApiError(403, "Forbidden", "cannot create resource events"))
    await publish(state, source, lambda: source.has_tried(2))
    assert source.tried == ["a", "a"]


@pytest.mark.asyncio
async def test_the_agent_beside_another_guard_keeps_quiet(state: Path) -> None:
    decide(state, "a")
    quiet, speaker = FakeSource(), FakeSource()

    async def both() -> None:
        await publish(state, speaker, lambda: speaker.has_tried(1))

    await publish(state, quiet, both, pod_uid="another")
    assert (quiet.tried, speaker.tried) == ([], ["a"])


@pytest.mark.asyncio
async def test_damaged_records_stop_nothing(state: Path) -> None:
    (state / "decisions.jsonl").write_text('{no\n{"outcome": "Killed", "victim": {"namespace": "n", "pod": "p"}}\n')
    decide(state, "a")
    source = FakeSource()
    await publish(state, source, lambda: source.has_tried(1))
    assert source.tried == ["a"]
