"""Names that wait to be worked on: each once however often it was added, and never by two tasks at a time."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

import kopf

__all__ = ["WorkQueue"]

logger = logging.getLogger(__name__)

Work = Callable[[str], Awaitable[None]]
Timed = Callable[[str, float], None]
"""Told how a piece of work ended, Done, Later or Failed, and after how many seconds."""

_FIRST_RETRY_SECONDS = 1.0
_LAST_RETRY_SECONDS = 60.0


class WorkQueue:
    """Runs `work(name)` for each name that is added, `settle_seconds` later, so that a storm of events is one run.

    An error is logged and the name tried again: after the delay of a kopf.TemporaryError, else after 1 to 60 seconds,
    twice as long each time. Whoever adds the name meanwhile does not wait for that.
    """

    def __init__(
        self,
        work: Work,
        *,
        what: str = "policy",
        settle_seconds: float = 0.5,
        parallel: int = 4,
        timed: Timed = lambda _result, _seconds: None,
    ) -> None:
        self._work = work
        self._what = what
        self._timed = timed
        self._settle_seconds = settle_seconds
        self._free = asyncio.Semaphore(parallel)
        self._added: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def add(self, name: str) -> None:
        """Has `name` worked on soon; once more afterwards if it is being worked on now."""
        self._added.setdefault(name, asyncio.Event()).set()
        if name not in self._tasks:
            self._tasks[name] = asyncio.create_task(self._keep_working(name), name=f"reconcile {name}")

    def __len__(self) -> int:
        """How many names wait or are being worked on."""
        return len(self._tasks)

    async def close(self) -> None:
        """Ends all work and waits until it has ended."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep_working(self, name: str) -> None:
        added, failures = self._added[name], 0
        try:
            while added.is_set():
                await asyncio.sleep(self._settle_seconds)
                added.clear()
                delay = await self._try(name, failures)
                failures = 0 if delay is None else failures + 1
                if delay is not None:
                    await _wait(added, delay)
                    added.set()
        finally:
            del self._tasks[name], self._added[name]

    async def _try(self, name: str, failures: int) -> float | None:
        """None when the work was done, else after how many seconds it should be tried again."""
        async with self._free:
            start = time.monotonic()
            result, delay = await self._work_once(name, failures)
            self._timed(result, time.monotonic() - start)
        return delay

    async def _work_once(self, name: str, failures: int) -> tuple[str, float | None]:
        try:
            await self._work(name)
        except kopf.TemporaryError as error:
            logger.warning("Could not reconcile %s", self._what, extra={self._what: name, "err": str(error)})
            return "Later", error.delay
        except Exception:
            logger.exception("Could not reconcile %s", self._what, extra={self._what: name})
            return "Failed", float(min(_FIRST_RETRY_SECONDS * 2**failures, _LAST_RETRY_SECONDS))
        return "Done", None


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return
