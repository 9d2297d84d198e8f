"""Talking to an API server and to kubelet, played by a small HTTP server that says what real ones were seen to say."""

import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from kubernetes.aio.client import ApiClient, Configuration

from lab.certificates import Authority
from oompolicy_agent.sync.source import ApiError, Collection, Source
from oompolicy_agent.sync.world import Change, Kind, Listing

NAMESPACES = Collection(Kind.NAMESPACE, "/api/v1/namespaces")
TOKEN = "bearer a-token"  # noqa: S105 - of nobody


class Server:
    """Answers each request with the next of `answers`: an object, or a list whose items are sent as lines."""

    def __init__(self, *answers: object) -> None:
        self._answers = list(answers)
        self.requests: list[web.Request] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One answer."""
        self.requests.append(request)
        answer = self._answers.pop(0)
        if isinstance(answer, list):
            return web.Response(text="".join(json.dumps(line) + "\n" for line in answer))
        status = answer.get("code", 200) if isinstance(answer, dict) else 200
        return web.json_response(answer, status=status)


@asynccontextmanager
async def serving(server: Server, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """The port on which `server` is served."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def source(port: int = 1, ca: Path | None = None, *, verify: bool = True) -> AsyncIterator[Source]:
    """A source for an API server on `port`, in a cluster whose authority is `ca`."""
    configuration = Configuration(host=f"http://127.0.0.1:{port}", ssl_ca_cert=str(ca) if ca else None)
    configuration.api_key["BearerToken"] = TOKEN
    configuration.verify_ssl = verify
    async with ApiClient(configuration) as api:
        yield Source(api)


def namespace(name: str, version: str = "7") -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": f"uid-{name}", "resourceVersion": version}}


def page(*names: str, more: str = "") -> dict[str, Any]:
    return {"metadata": {"resourceVersion": "5", "continue": more}, "items": [namespace(name) for name in names]}


EXPIRED = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}}
BOOKMARK = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "9"}}}


@pytest.mark.asyncio
async def test_lists_page_by_page_and_then_watches_from_there_until_history_is_gone() -> None:
    changes = [{"type": "ADDED", "object": namespace("c", "8")}, BOOKMARK]
    later = [{"type": "DELETED", "object": namespace("a", "10")}, EXPIRED]
    server = Server(page("a", more="next"), page("b"), changes, later)
    async with serving(server) as port, source(port) as given:
        found = [event async for event in given.events(NAMESPACES)]
    listing, added, deleted = found
    assert isinstance(listing, Listing)
    assert [entry.name for entry in listing.entries] == ["a", "b"]
    assert isinstance(added, Change)
    assert (added.entry.name, added.gone) == ("c", False)
    assert isinstance(deleted, Change)
    assert (deleted.entry.name, deleted.gone) == ("a", True)
    queries = [request.query for request in server.requests]
    assert queries[1]["continue"] == "next"
    assert [query["resourceVersion"] for query in queries[2:]] == ["5", "9"]


@pytest.mark.asyncio
async def test_an_answer_that_is_a_refusal_says_why() -> None:
    causes = {"causes": [{"reason": "NamespaceTerminating"}]}
    refusal = {"code": 403, "reason": "Forbidden", "message": "being terminated", "details": causes}
    async with serving(Server(refusal)) as port, source(port) as given:
        with pytest.raises(ApiError, match="Forbidden: being terminated") as caught:
            await given.create({"kind": "Event", "metadata": {"namespace": "shop"}})
    assert (caught.value.status, caught.value.causes) == (403, ("NamespaceTerminating",))


@pytest.mark.asyncio
async def test_nobody_who_answers_is_an_api_error_too() -> None:
    async with source(1) as given:
        with pytest.raises(ApiError) as caught:
            await given.apply_node_status("w1", {})
    assert caught.value.status == 0


def server_context(authority: Authority) -> ssl.SSLContext:
    certificate, key = authority.issue("kubelet", "/CN=system:node:w1", addresses=["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


@pytest.mark.asyncio
async def test_kubelet_is_asked_with_the_token_when_the_clusters_authority_vouches_for_it(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    kubelet = Server({"kubeletconfig": {"evictionHard": {"memory.available": "100Mi"}}})
    async with serving(kubelet, server_context(authority)) as port, source(ca=authority.certificate) as given:
        assert await given.kubelet_config("127.0.0.1", port) == {"evictionHard": {"memory.available": "100Mi"}}
    (request,) = kubelet.requests
    assert (request.path, request.headers["authorization"]) == ("/configz", TOKEN)


@pytest.mark.parametrize("verify", [True, False], ids=["another-authority", "certificates-not-verified-at-all"])
@pytest.mark.asyncio
async def test_a_stranger_who_answers_for_kubelet_never_sees_the_token(tmp_path: Path, *, verify: bool) -> None:
    folders = [tmp_path / name for name in ("cluster", "stranger")]
    for folder in folders:
        folder.mkdir()
    cluster, stranger = map(Authority, folders)
    server = Server({"kubeletconfig": {}})
    async with (
        serving(server, server_context(stranger)) as port,
        source(ca=cluster.certificate, verify=verify) as given,
    ):
        with pytest.raises(ApiError):
            await given.kubelet_config("127.0.0.1", port)
    assert server.requests == []
