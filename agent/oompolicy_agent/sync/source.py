"""The only place that talks to the API server: lists and watches as endless streams, and the two writes of the agent.

Objects travel as JSON and are cut down to what is needed as they arrive: the client's typed models would cost more
memory than everything else here together.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config import load_incluster_config, load_kube_config

from oompolicy_agent.sync.world import Change, Entry, Kind, Listing, parse
from oompolicy_api import GROUP, VERSION
from oompolicy_api.labels import POLICY_LABEL
from oompolicy_api.lines import lines_of

__all__ = ["ApiError", "Collection", "Source", "connect"]

WATCH_SECONDS = 300
SILENCE_SECONDS = 150.0
"""A watch that says nothing for so long is dead: the API server sends a bookmark about every minute."""

PAUSE_SECONDS = 0.5
"""Between two watches, so that a server that ends each at once is not asked without end. Nothing is missed by it."""

REQUEST = aiohttp.ClientTimeout(total=30)
WATCH = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=SILENCE_SECONDS)
GONE = 410
NETWORK_ERRORS = (aiohttp.ClientError, OSError, TimeoutError, ValueError)
FIELD_MANAGER = "oompolicy-agent"
OOMNODES = f"/apis/{GROUP}/{VERSION}/oomnodes"
CREATED = {"Event": ("/api/v1", "events"), "OOMDecision": (f"/apis/{GROUP}/{VERSION}", "oomdecisions")}
"""What the agent creates: by kind its API and its plural."""


class ApiError(Exception):
    """The API server did not do what it was asked for.

    Attributes:
        status: HTTP's, 0 when there was no answer at all.
        reason: Kubernetes', for example `AlreadyExists`, or the error's name when there was no answer.
        causes: the reasons of its causes, for example `NamespaceTerminating`.
    """

    def __init__(self, status: int, reason: str, message: str, causes: tuple[str, ...] = ()) -> None:
        super().__init__(f"{reason}: {message}")
        self.status = status
        self.reason = reason
        self.causes = causes


@dataclass(frozen=True, slots=True)
class Collection:
    """Objects to watch: of one kind, at one path, chosen by a field selector if there is one.

    Attributes:
        page: objects in one answer to a list; it bounds the memory for what is thrown away at once. With 250 pods of
            14 kB, pages of 100 cost 8 MiB more than pages of 20, and the memory never comes back.
    """

    kind: Kind
    path: str
    fields: str = ""
    page: int = 200


class Source:
    """An API server, reached through `api`."""

    def __init__(self, api: ApiClient) -> None:
        self._api: Any = api  # the generated client has no annotations

    async def events(self, collection: Collection) -> AsyncIterator[Listing | Change]:
        """One listing, then each change as it comes; ends when the watch cannot go on, to be started anew.

        Raises:
            ApiError: the API server is away or refuses.
        """
        entries, version = await self._listed(collection)
        yield Listing(collection.kind, entries)
        del entries
        while True:
            try:
                async for event in self._watch_once(collection, version):
                    version = event["object"]["metadata"]["resourceVersion"]
                    if event["type"] != "BOOKMARK":
                        entry = parse(collection.kind, event["object"])
                        yield Change(collection.kind, entry, gone=event["type"] == "DELETED")
            except ApiError as error:
                if error.status == GONE:
                    return
                raise
            await asyncio.sleep(PAUSE_SECONDS)

    async def create(self, body: Mapping[str, Any]) -> None:
        """Creates a core/v1 Event or an OOMDecision; raises ApiError."""
        api, plural = CREATED[body["kind"]]
        await self._request("POST", f"{api}/namespaces/{body['metadata']['namespace']}/{plural}", body=body)

    async def apply_node(self, name: str, node_uid: str) -> None:
        """Makes sure that there is an OOMNode that goes with its Node; raises ApiError."""
        owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": node_uid}
        await self._apply(f"{OOMNODES}/{name}", {"metadata": {"name": name, "ownerReferences": [owner]}})

    async def apply_node_status(self, name: str, status: Mapping[str, Any]) -> None:
        """Writes the status of an OOMNode that exists; raises ApiError."""
        await self._apply(f"{OOMNODES}/{name}/status", {"metadata": {"name": name}, "status": status})

    async def policies_with_agents(self, namespace: str) -> frozenset[str]:
        """The names of the policies whose DaemonSet is there and not on its way out; raises ApiError."""
        query = _query(labelSelector=POLICY_LABEL)
        found = await self._request("GET", f"/apis/apps/v1/namespaces/{namespace}/daemonsets", query)
        alive = (each["metadata"] for each in found["items"] if "deletionTimestamp" not in each["metadata"])
        return frozenset(each["labels"][POLICY_LABEL] for each in alive)

    async def kubelet_config(self, address: str, port: int) -> dict[str, Any]:
        """The configuration that kubelet runs with.

        The request carries our token, so it goes to nobody but a kubelet that the cluster's CA vouches for. Many
        clusters let kubelet sign its own certificate; there the answer is an ApiError.
        """
        if not self._api.configuration.verify_ssl:
            raise ApiError(0, "NotVerified", "expected a configuration that verifies certificates")
        host = f"https://[{address}]:{port}" if ":" in address else f"https://{address}:{port}"
        answer = await self._request("GET", "/configz", host=host)
        return dict(answer.get("kubeletconfig") or {})

    async def _apply(self, path: str, content: Mapping[str, Any]) -> None:
        body = {"apiVersion": f"{GROUP}/{VERSION}", "kind": "OOMNode", **content}
        await self._request("PATCH", path, {"fieldManager": FIELD_MANAGER, "force": "true"}, body)

    async def _listed(self, collection: Collection) -> tuple[tuple[Entry, ...], str]:
        entries: list[Entry] = []
        query = _query(limit=collection.page, fieldSelector=collection.fields)
        while True:
            answer = await self._request("GET", collection.path, query)
            entries += (parse(collection.kind, item) for item in answer["items"])
            metadata = answer["metadata"]
            if not metadata.get("continue"):
                return tuple(entries), metadata["resourceVersion"]
            query["continue"] = metadata["continue"]

    async def _watch_once(self, collection: Collection, version: str) -> AsyncIterator[dict[str, Any]]:
        """The events of one request; an ERROR among them is raised as ApiError."""
        query = _query(
            watch="true",
            allowWatchBookmarks="true",
            resourceVersion=version,
            timeoutSeconds=WATCH_SECONDS,
            fieldSelector=collection.fields,
        )
        async with self._answer("GET", collection.path, query, limits=WATCH) as response:
            async for line in lines_of(response.content.iter_any()):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise _error_of(int(event["object"].get("code", 0)), event["object"])
                yield event

    async def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] = {},
        body: Mapping[str, Any] | None = None,
        host: str | None = None,
    ) -> dict[str, Any]:
        async with self._answer(method, path, query, body, host=host) as response:
            return dict(json.loads(await response.read()))

    @asynccontextmanager
    async def _answer(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Mapping[str, Any] | None = None,
        *,
        limits: aiohttp.ClientTimeout = REQUEST,
        host: str | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An open answer with a good status; everything that goes wrong with it becomes an ApiError."""
        headers = {"Accept": "application/json", "Content-Type": _content_type(method)}
        try:
            method, url, headers, sent, _ = await self._api.param_serialize(
                method, path, None, list(query.items()), headers, body, auth_settings=["BearerToken"], _host=host
            )
            answer = await self._api.call_api(method, url, headers, sent, None, limits)
            async with answer.response as response:
                if not response.ok:
                    raise _error_of(response.status, _object(await response.read()))
                yield response
        except NETWORK_ERRORS as error:
            raise ApiError(0, type(error).__name__, str(error)) from error


def _content_type(method: str) -> str:
    return "application/apply-patch+yaml" if method == "PATCH" else "application/json"


def _query(**parameters: str | int) -> dict[str, str]:
    return {name: str(value) for name, value in parameters.items() if value != ""}


def _object(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        return {"message": content[:200].decode(errors="replace")}
    return found if isinstance(found, dict) else {}


def _error_of(status: int, body: Mapping[str, Any]) -> ApiError:
    causes = (body.get("details") or {}).get("causes") or ()
    reasons = tuple(str(cause.get("reason")) for cause in causes)
    return ApiError(status, str(body.get("reason") or status), str(body.get("message", "")), reasons)


@asynccontextmanager
async def connect(kubeconfig: str | None) -> AsyncIterator[Source]:
    """The API server of `kubeconfig`, or of the cluster that this process is a pod of."""
    configuration = Configuration()
    # Python 3.13 asks of a CA what many a cluster's CA has not (a key identifier), and client-go never asked for.
    configuration.disable_strict_ssl_verification = True
    if kubeconfig:
        await load_kube_config(kubeconfig, client_configuration=configuration)  # type: ignore[no-untyped-call] # as above
    else:
        load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call] # as above
    async with ApiClient(configuration) as api:
        api.user_agent = FIELD_MANAGER  # who it is in the API server's audit log
        yield Source(api)
