"""The store of one kind is what the API server has, whatever happens to the watch."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from kubernetes.aio.client import ApiClient, Configuration

from fake_api import BOOKMARK, EXPIRED, Server, namespace, page, serving
from oompolicy_operator.feed import Feed
from oompolicy_operator.reflector import Reflector

pytestmark = pytest.mark.asyncio

PATIENCE_SECONDS = 30


def labelled(name: str, version: str, label: str = "") -> dict[str, Any]:
    found = namespace(name, version)
    found["metadata"]["labels"] = {"label": label}
    return found


def label(body: Mapping[str, Any]) -> str | None:
    return str(body["metadata"].get("labels", {}).get("label", "none")) or None


class Witness:
    """A reflector and what it said."""

    def __init__(self, feed: Feed) -> None:
        self.said: list[tuple[str, str | None, str | None]] = []
        self.has_said = asyncio.Event()
        self.reflector = Reflector(feed, label, self._changed)

    def _changed(self, name: str, before: str | None, after: str | None) -> None:
        self.said.append((name, before, after))
        self.has_said.set()

    async def until(self, count: int) -> list[tuple[str, str | None, str | None]]:
        """All that it has said, once that is so many things."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(self.said) < count:
                self.has_said.clear()
                await self.has_said.wait()
        return self.said


@asynccontextmanager
async def witness(server: Server, **options: Any) -> AsyncIterator[Witness]:  # noqa: ANN401 - options of a feed
    async with serving(server) as port, ApiClient(Configuration(host=f"http://127.0.0.1:{port}")) as api:
        found = Witness(Feed(api, "/api/v1/namespaces", **options))
        running = asyncio.create_task(found.reflector.run())
        yield found
        running.cancel()


async def test_lists_all_pages_and_then_follows_each_change() -> None:
    server = Server(
        page("a", more="next"),
        page("b"),
        [{"type": "ADDED", "object": labelled("c", "8", "new")}, BOOKMARK],
        [{"type": "DELETED", "object": namespace("a", "10")}],
    )
    async with witness(server) as found:
        assert await found.until(4) == [
            ("a", None, "none"),
            ("b", None, "none"),
            ("c", None, "new"),
            ("a", "none", None),
        ]
        assert found.reflector.listed.is_set()
        assert found.reflector.values == {"b": "none", "c": "new"}
    assert server.requests[1].query["continue"] == "next"
    assert [request.query.get("resourceVersion") for request in server.requests[2:4]] == ["5", "9"]


async def test_what_says_the_same_as_before_is_no_change() -> None:
    same = [{"type": "MODIFIED", "object": namespace("a", str(version))} for version in range(8, 12)]
    server = Server(page("a"), [*same, {"type": "MODIFIED", "object": labelled("a", "12", "new")}])
    async with witness(server) as found:
        assert await found.until(2) == [("a", None, "none"), ("a", "none", "new")]


async def test_what_is_not_to_be_kept_is_not() -> None:
    server = Server(page("a"), [{"type": "MODIFIED", "object": labelled("a", "8", "")}])
    async with witness(server) as found:
        assert await found.until(2) == [("a", None, "none"), ("a", "none", None)]
        assert found.reflector.values == {}


async def test_lists_anew_when_history_is_gone_and_says_what_has_gone_with_it() -> None:
    server = Server(page("a", "b"), [EXPIRED], page("b", "c"))
    async with witness(server) as found:
        said = await found.until(4)
        assert said[2:] == [("c", None, "none"), ("a", "none", None)]


@pytest.mark.parametrize("code", [403, 429, 500], ids=["refused", "too-many-requests", "server-error"])
async def test_tries_again_when_it_is_turned_away(code: int) -> None:
    server = Server({"code": code, "message": "not now"}, page("a"))
    async with witness(server) as found:
        assert await found.until(1) == [("a", None, "none")]


async def test_an_empty_list_of_metadata_is_null() -> None:
    empty = page() | {"items": None}
    async with witness(Server(empty, [{"type": "ADDED", "object": namespace("a")}])) as found:
        assert await found.until(1) == [("a", None, "none")]


async def test_takes_up_again_after_an_error_of_its_own() -> None:
    server = Server({"unexpected": True}, page("a"))
    async with witness(server) as found:
        assert await found.until(1) == [("a", None, "none")]


async def test_an_object_of_a_mebibyte_is_a_change_like_any_other() -> None:
    large = labelled("large", "8", "x" * (1 << 20))
    async with witness(Server(page(), [{"type": "ADDED", "object": large}])) as found:
        ((name, _, value),) = await found.until(1)
        assert (name, len(value or "")) == ("large", 1 << 20)


@pytest.mark.parametrize(
    ("options", "queries", "accepts"),
    [
        pytest.param({}, [{}, {}], ["application/json"] * 2, id="everything"),
        pytest.param({"labels": "a=b"}, [{"labelSelector": "a=b"}] * 2, ["application/json"] * 2, id="chosen-by-label"),
        pytest.param(
            {"metadata_only": True},
            [{}, {}],
            [f"application/json;as=PartialObjectMetadata{kind};g=meta.k8s.io;v=v1" for kind in ("List", "")],
            id="metadata-only",
        ),
    ],
)
async def test_asks_for_no_more_than_it_needs(
    options: dict[str, Any], queries: list[dict[str, str]], accepts: list[str]
) -> None:
    server = Server(page(), [{"type": "ADDED", "object": namespace("a")}])
    async with witness(server, **options) as found:
        await found.until(1)
    for request, query, accept in zip(server.requests, queries, accepts, strict=False):
        assert query.items() <= request.query.items()
        assert request.headers["Accept"] == accept
