"""Keeps a small value of every object of one kind, as client-go's reflector and store do, and says which have changed.

kopf (1.45) does not notice what was deleted while it could not watch: no event tells of that, only a list without it.
And it is not for kinds of which there are thousands: its indexes wake every waiting object for each object that is
listed, so that 15,000 of them took more than ten minutes to start; they also keep a task's state for each.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from oompolicy_operator.errors import ApiRefusedError, ApiUnavailableError
from oompolicy_operator.feed import EXPIRED, Feed

__all__ = ["Reflector"]

PAUSE_SECONDS = 0.5
"""Between two watches, so that a server that ends each at once is not asked without end. Nothing is missed by it."""
LONGEST_PAUSE_SECONDS = 10.0

T = TypeVar("T")

logger = logging.getLogger(__name__)


class Reflector(Generic[T]):
    """The objects of one kind.

    Args:
        feed: where they come from.
        cut: makes the value of an object; None: this one is not kept.
        changed: called with an object's name, its value before, and its value now; None: there is none. Not called when
            the value is the same.

    Attributes:
        values: by name; complete once `listed` is set.
        path: of the objects, for messages.
    """

    def __init__(
        self,
        feed: Feed,
        cut: Callable[[Mapping[str, Any]], T | None],
        changed: Callable[[str, T | None, T | None], None],
    ) -> None:
        self.values: dict[str, T] = {}
        self.listed = asyncio.Event()
        self.path = feed.path
        self._feed = feed
        self._cut = cut
        self._changed = changed

    async def run(self) -> None:
        """Follows the objects until it is cancelled; whatever goes wrong is logged, and it begins anew."""
        pause = PAUSE_SECONDS
        while True:
            try:
                await self._follow()
                pause = PAUSE_SECONDS
            except (ApiRefusedError, ApiUnavailableError) as error:
                logger.warning("Lost watch", extra={"path": self._feed.path, "err": str(error)})
                pause = min(LONGEST_PAUSE_SECONDS, pause * 2)
            except Exception:
                logger.exception("Lost watch", extra={"path": self._feed.path})
                pause = min(LONGEST_PAUSE_SECONDS, pause * 2)
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - only spreads the load

    async def _follow(self) -> None:
        """Lists, then watches; returns when the version has become too old."""
        version = await self._list()
        self.listed.set()
        while True:
            try:
                async for event in self._feed.changes(version):
                    version = event["object"]["metadata"]["resourceVersion"]
                    if event["type"] != "BOOKMARK":
                        self._set(event["object"], gone=event["type"] == "DELETED")
            except ApiRefusedError as error:
                if error.status == EXPIRED:
                    return
                raise
            await asyncio.sleep(PAUSE_SECONDS)

    async def _list(self) -> str:
        found: set[str] = set()
        version = ""
        async for items, newest in self._feed.pages():
            version = newest
            for body in items:
                found.add(body["metadata"]["name"])
                self._set(body)
            await asyncio.sleep(0)  # others have work too
        for name in self.values.keys() - found:
            self._put(name, None)
        return version

    def _set(self, body: Mapping[str, Any], *, gone: bool = False) -> None:
        self._put(body["metadata"]["name"], None if gone else self._cut(body))

    def _put(self, name: str, value: T | None) -> None:
        before = self.values.pop(name, None)
        if value is not None:
            self.values[name] = value
        if value != before:
            self._changed(name, before, value)
