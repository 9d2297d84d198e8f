"""Objects of one kind as the API server has them: one list, then each change as it comes. Reads only."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from kubernetes.aio.client import ApiClient

from oompolicy_api.lines import lines_of
from oompolicy_operator.errors import ApiRefusedError, ApiUnavailableError

__all__ = ["EXPIRED", "Feed"]

EXPIRED = 410
"""The status of a watch from a version that the API server does not remember: list again."""

PAGE = 500
WATCH_SECONDS = 300
SILENCE_SECONDS = 150.0
"""A watch that says nothing for so long is dead: the API server sends a bookmark about every minute."""

_REQUEST = aiohttp.ClientTimeout(total=60)
_WATCH = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=SILENCE_SECONDS)
_NETWORK_ERRORS = (aiohttp.ClientError, OSError, TimeoutError, ValueError)
_ASKS_TO_COME_BACK = 429
_SERVER_ERRORS = 500

Object = dict[str, Any]


@dataclass(frozen=True)
class Feed:
    """All objects at `path`, or those with `labels` (a label selector).

    With `metadata_only` the API server leaves the rest out: a node's status is long and changes every few minutes.
    """

    api: ApiClient
    path: str
    labels: str = ""
    metadata_only: bool = False

    async def pages(self) -> AsyncIterator[tuple[list[Object], str]]:
        """The objects, some hundred at a time, with the version that a watch can go on from."""
        query = {"limit": str(PAGE)} | self._selected
        while True:
            async with self._answer(query, _REQUEST) as answer:
                found = json.loads(await answer.read())
            # an empty list of metadata alone is null (seen with Kubernetes 1.37)
            yield found["items"] or [], found["metadata"]["resourceVersion"]
            if not found["metadata"].get("continue"):
                return
            query["continue"] = found["metadata"]["continue"]

    async def changes(self, version: str) -> AsyncIterator[Object]:
        """The watch events after `version`, bookmarks among them, until the API server ends the watch.

        Raises:
            ApiRefusedError: with EXPIRED, the version is too old.
            ApiUnavailableError: the API server is away.
        """
        query = {"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": version}
        query |= {"timeoutSeconds": str(WATCH_SECONDS)} | self._selected
        async with self._answer(query, _WATCH) as answer:
            async for line in lines_of(answer.content.iter_any()):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise self._refused(int(event["object"].get("code", 0)), event["object"])
                yield event

    @property
    def _selected(self) -> dict[str, str]:
        return {"labelSelector": self.labels} if self.labels else {}

    @asynccontextmanager
    async def _answer(
        self, query: Mapping[str, str], limits: aiohttp.ClientTimeout
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        api: Any = self.api  # the generated client has no annotations
        form = f";as=PartialObjectMetadata{'' if 'watch' in query else 'List'};g=meta.k8s.io;v=v1"
        headers = {"Accept": f"application/json{form if self.metadata_only else ''}"}
        try:
            method, url, headers, *_ = await api.param_serialize(
                "GET", self.path, None, list(query.items()), headers, auth_settings=["BearerToken"]
            )
            found = await api.call_api(method, url, headers, None, None, limits)
            async with found.response as answer:
                if not answer.ok:
                    raise self._refused(answer.status, {"message": (await answer.text())[:500]})
                yield answer
        except _NETWORK_ERRORS as error:
            raise ApiUnavailableError(f"watch {self.path}", repr(error)) from error

    def _refused(self, status: int, body: Mapping[str, Any]) -> ApiRefusedError | ApiUnavailableError:
        action, message = f"watch {self.path}", str(body.get("message"))
        if status >= _SERVER_ERRORS or status == _ASKS_TO_COME_BACK:
            return ApiUnavailableError(action, f"{status} {message}")
        return ApiRefusedError(action, status, message)
