"""Talking to an API server and to kubelet, both played."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from kubernetes.aio.client import ApiClient, Configuration

from fake_api import BOOKMARK, EXPIRED, Server, namespace, page, serving
from lab.certificates import Authority
from oompolicy_agent.sync.source import ApiError, Collection, Source
from oompolicy_agent.sync.world import Change, Kind, Listing

NAMESPACES = Collection(Kind.NAMESPACE, "/api/v1/namespaces")
TOKEN = "bearer a-token"  # noqa: S105 - of nobody


@asynccontextmanager
async def source(port: int = 1, ca: Path | None = None, *, verify: bool = True) -> AsyncIterator[Source]:
    """A source for an API server on `port`, in a cluster whose authority is `ca`."""
    configuration = Configuration(host=f"http://127.0.0.1:{port}", ssl_ca_cert=str(ca) if ca else None)
    configuration.api_key["BearerToken"] = TOKEN
    configuration.verify_ssl = verify
    async with ApiClient(configuration) as api:
        yield Source(api)


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
async def test_an_object_of_a_mebibyte_is_a_change_like_any_other() -> None:
    large = namespace("large", "8")
    large["metadata"]["annotations"] = {"note": "x" * (1 << 20)}
    server = Server(page(), [{"type": "ADDED", "object": large}], [EXPIRED])
    async with serving(server) as port, source(port) as given:
        found = [event async for event in given.events(NAMESPACES)]
    assert [event.entry.name for event in found if isinstance(event, Change)] == ["large"]


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
