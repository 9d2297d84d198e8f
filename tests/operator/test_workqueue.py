"""However many events there are: each policy is worked on once at a time, and never forgotten."""

import asyncio
import logging

import kopf
import pytest

from oompolicy_operator.workqueue import WorkQueue

pytestmark = pytest.mark.asyncio

PATIENCE_SECONDS = 30


async def drained(queue: WorkQueue) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(queue):  # noqa: ASYNC110 - the queue has no event for being empty; it never is for long
            await asyncio.sleep(0)


async def test_storm_of_events_is_one_run() -> None:
    runs: list[str] = []

    async def work(name: str) -> None:
        runs.append(name)

    queue = WorkQueue(work, settle_seconds=0)
    for _ in range(1000):
        queue.add("a")
        queue.add("b")
    await drained(queue)
    assert sorted(runs) == ["a", "b"]


async def test_what_is_added_during_its_run_is_run_again() -> None:
    runs: list[str] = []

    async def work(name: str) -> None:
        runs.append(name)
        if len(runs) < 3:
            queue.add(name)
            queue.add(name)

    queue = WorkQueue(work, settle_seconds=0)
    queue.add("a")
    await drained(queue)
    assert runs == ["a"] * 3


async def test_names_are_worked_on_beside_each_other_but_none_twice_at_a_time() -> None:
    both_inside = asyncio.Barrier(2)
    inside: list[str] = []
    most: list[list[str]] = []

    async def work(name: str) -> None:
        inside.append(name)
        if len(most) < 2:
            queue.add(name)
        most.append(sorted(inside))
        await both_inside.wait()
        inside.remove(name)

    queue = WorkQueue(work, settle_seconds=0, parallel=2)
    queue.add("a")
    queue.add("b")
    await drained(queue)
    assert len(most) == 4
    assert {tuple(names) for names in most} <= {("a",), ("b",), ("a", "b")}


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(kopf.TemporaryError("come back", delay=0), id="temporary"),
        pytest.param(ZeroDivisionError("our own mistake"), id="unexpected"),
    ],
)
async def test_failed_work_is_logged_and_tried_again(
    error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("oompolicy_operator.workqueue._FIRST_RETRY_SECONDS", 0)
    failures = [error, error]

    async def work(_: str) -> None:
        if failures:
            raise failures.pop()

    queue = WorkQueue(work, settle_seconds=0)
    with caplog.at_level(logging.WARNING):
        queue.add("a")
        await drained(queue)
    assert [record.message for record in caplog.records] == ["Could not reconcile policy"] * 2
    assert failures == []


async def test_event_does_not_wait_for_the_end_of_a_back_off() -> None:
    runs = asyncio.Queue[str]()

    async def work(name: str) -> None:
        runs.put_nowait(name)
        raise kopf.TemporaryError("come back much later", delay=PATIENCE_SECONDS * 100)

    queue = WorkQueue(work, settle_seconds=0)
    queue.add("a")
    async with asyncio.timeout(PATIENCE_SECONDS):
        await runs.get()
        await asyncio.sleep(0)
        queue.add("a")
        await runs.get()
    await queue.close()


async def test_closing_ends_all_work() -> None:
    started = asyncio.Event()

    async def work(_: str) -> None:
        started.set()
        await asyncio.Event().wait()

    queue = WorkQueue(work, settle_seconds=0)
    queue.add("a")
    await started.wait()
    await queue.close()
    assert len(queue) == 0
