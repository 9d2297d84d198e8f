"""Whoever asks on the pod's loopback is told what the guard answers, or why it does not."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import structlog

from oompolicy_agent.inspection import ANSWER, REQUEST
from oompolicy_agent.sync import inspection
from oompolicy_agent.sync.inspection import Inspector


async def ask(port: int) -> dict[str, Any]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    found: dict[str, Any] = json.loads(await reader.read())
    writer.close()
    return found


async def guard(folder: Path, times: int) -> None:
    """Answers so many requests, as the guard does."""
    seen = None
    while times:
        await asyncio.sleep(0.01)  # another process would be woken by inotify
        request = json.loads((folder / REQUEST).read_text())["request"] if (folder / REQUEST).exists() else seen
        if request != seen:
            seen, times = request, times - 1
            (folder / "new").write_text(json.dumps({"request": request, "number": times}))
            (folder / "new").rename(folder / ANSWER)


async def inspected(folder: Path, answers: int, questions: int) -> list[dict[str, Any]]:
    async with await Inspector(folder, folder, structlog.get_logger(), port=0).listen() as server:
        port = server.sockets[0].getsockname()[1]
        answering = asyncio.create_task(guard(folder, answers))
        found = await asyncio.gather(*(ask(port) for _ in range(questions)))
        answering.cancel()
    return list(found)


@pytest.mark.asyncio
async def test_each_question_has_an_answer_of_its_own(tmp_path: Path) -> None:
    found = await inspected(tmp_path, 3, 3)
    assert sorted(one["number"] for one in found) == [0, 1, 2]


@pytest.mark.asyncio
async def test_a_guard_that_does_not_answer_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "SECONDS", 0.05)
    assert await inspected(tmp_path, 0, 1) == [{"error": inspection.SILENT}]


@pytest.mark.asyncio
async def test_more_than_a_few_at_a_time_are_sent_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "MOST_WAITING", 1)
    found = await inspected(tmp_path, 1, 2)
    assert {"error": inspection.BUSY} in found


@pytest.mark.asyncio
async def test_without_the_guards_folder_the_error_is_told(tmp_path: Path) -> None:
    (found,) = await inspected(tmp_path / "missing", 0, 1)
    assert found["error"].startswith("could not ask the guard: ")
