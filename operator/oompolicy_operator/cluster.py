"""The only place that writes to the API server. Its errors become ours here, once."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import aiohttp
from kubernetes.aio.client import ApiClient, ApiException, Configuration
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config
from kubernetes.aio.dynamic import DynamicClient, Resource

from oompolicy_api import GROUP, VERSION
from oompolicy_api.conditions import Condition
from oompolicy_api.policy import OOMPolicyStatus
from oompolicy_operator.errors import ApiRefusedError, ApiUnavailableError
from oompolicy_operator.manifests import FIELD_MANAGER, Manifest
from oompolicy_operator.reconcile import Notice

__all__ = ["Cluster", "connect"]

_REQUEST_SECONDS = 30
_NOT_FOUND, _TOO_MANY_REQUESTS, _SERVER_ERRORS = 404, 429, 500
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/{}/leases"
_EVENTS_NAMESPACE = "default"
"""Where Kubernetes files Events about objects that have no namespace; `kubectl describe` looks for them there."""


class Cluster:
    """What the operator asks of the API server. Every method raises ApiUnavailableError or ApiRefusedError."""

    def __init__(self, api_client: ApiClient) -> None:
        # not awaited on purpose: that would ask for every API group; we know the paths of the few kinds that we write
        client = DynamicClient(api_client)  # type: ignore[no-untyped-call]
        self.api = api_client
        self._client = client
        self._daemon_sets = _resource(client, "apps", "v1", "DaemonSet", "daemonsets", namespaced=True)
        self._events = _resource(client, "", "v1", "Event", "events", namespaced=True)

    async def has_policies_kind(self) -> bool:
        """Whether the CRD is installed and served."""
        return await self._found("read API", f"/apis/{GROUP}/{VERSION}") is not None

    async def apply_daemon_set(self, manifest: Manifest) -> None:
        """Makes the DaemonSet what `manifest` says, whoever has changed these fields."""
        apply = self._daemon_sets.server_side_apply(body=manifest, field_manager=FIELD_MANAGER, force_conflicts=True)
        await self._request("apply DaemonSet", apply)

    async def write_status(self, name: str, uid: str, status: OOMPolicyStatus) -> int:
        """Writes the whole status of the policy with this name and uid; returns the object's new resourceVersion."""
        body = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "OOMPolicy",
            # with another uid it is another policy of the same name, and the API server refuses
            "metadata": {"name": name, "uid": uid},
            "status": status.model_dump(mode="json", by_alias=True, exclude_none=True),
        }
        answer = await self._apply_status(f"/apis/{GROUP}/{VERSION}/oompolicies/{name}/status", body)
        return int(answer["metadata"]["resourceVersion"])

    async def pod(self, namespace: str, name: str) -> Mapping[str, Any] | None:
        """The pod of this name; None if there is none."""
        return await self._found("read pod", f"/api/v1/namespaces/{namespace}/pods/{name}")

    async def evict(self, namespace: str, name: str, uid: str) -> None:
        """Evicts the pod with this uid, unless a PodDisruptionBudget forbids it, which is ApiRefusedError 429."""
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": name, "namespace": namespace},
            "deleteOptions": {"preconditions": {"uid": uid}},
        }
        path = f"/api/v1/namespaces/{namespace}/pods/{name}/eviction"
        await self._request("evict pod", self._client.request("post", path, body=body), refusals=(_TOO_MANY_REQUESTS,))

    async def write_decision_status(self, namespace: str, name: str, uid: str, condition: Condition) -> None:
        """Writes the only condition of the OOMDecision with this name and uid."""
        body = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "OOMDecision",
            "metadata": {"name": name, "namespace": namespace, "uid": uid},
            "status": {"conditions": [condition.model_dump(mode="json", by_alias=True, exclude_none=True)]},
        }
        await self._apply_status(f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/oomdecisions/{name}/status", body)

    async def delete_decision(self, namespace: str, name: str) -> None:
        """Deletes an OOMDecision, if it is still there."""
        path = f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/oomdecisions/{name}"
        try:
            await self._request("delete decision", self._client.request("delete", path))
        except ApiRefusedError as error:
            if error.status != _NOT_FOUND:
                raise

    async def lease(self, namespace: str, name: str) -> Mapping[str, Any] | None:
        """The Lease of this name; None if there is none."""
        return await self._found("read Lease", f"{_LEASES.format(namespace)}/{name}")

    async def write_lease(self, lease: Manifest) -> None:
        """Replaces the Lease if it still has the resourceVersion of `lease`, or makes it if `lease` has none."""
        metadata = lease["metadata"]
        path = _LEASES.format(metadata["namespace"])
        if "resourceVersion" in metadata:
            request = self._client.request("put", f"{path}/{metadata['name']}", body=lease)
        else:
            request = self._client.request("post", path, body=lease)
        await self._request("write Lease", request)

    async def post_event(self, name: str, uid: str, notice: Notice, *, now: datetime) -> None:
        """Posts an Event about the policy with this name and uid."""
        event = _event(name, uid, notice, now.replace(microsecond=0).isoformat())
        await self._request("post Event", self._events.create(body=event, field_manager=FIELD_MANAGER))

    async def _found(self, action: str, path: str) -> Mapping[str, Any] | None:
        """What is at `path`; None if there is nothing."""
        try:
            return await self._request(action, self._client.request("get", path))
        except ApiRefusedError as error:
            if error.status == _NOT_FOUND:
                return None
            raise

    async def _apply_status(self, path: str, body: Manifest) -> Mapping[str, Any]:
        options = {"field_manager": FIELD_MANAGER, "force_conflicts": True}
        content = "application/apply-patch+yaml"
        request = self._client.request("patch", path, body=body, content_type=content, **options)
        return await self._request("write status", request)

    async def _request(
        self,
        action: str,
        request: Any,  # noqa: ANN401 - the client has no types
        *,
        refusals: tuple[int, ...] = (),
    ) -> Mapping[str, Any]:
        """The answer; a status among `refusals` is one even where it usually asks to come back later."""
        try:
            answer = await request
        except ApiException as error:
            raise _converted(action, error, refusals) from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise ApiUnavailableError(action, repr(error)) from error
        found: Mapping[str, Any] = answer.to_dict()
        return found


@asynccontextmanager
async def connect() -> AsyncIterator[Cluster]:
    """A connection as the pod's service account, or outside of a pod as the current context of the kubeconfig says."""
    configuration = Configuration()
    try:
        load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    except ConfigException:
        await load_kube_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    async with ApiClient(configuration) as api_client:
        yield Cluster(api_client)


def _resource(client: DynamicClient, group: str, version: str, kind: str, plural: str, *, namespaced: bool) -> Resource:
    return Resource(  # type: ignore[no-untyped-call]
        prefix="apis" if group else "api",
        group=group,
        api_version=version,
        kind=kind,
        name=plural,
        namespaced=namespaced,
        client=client,
    )


def _converted(action: str, error: ApiException, refusals: tuple[int, ...]) -> ApiUnavailableError | ApiRefusedError:
    status = int(error.status or 0)
    answer = error.summary() if hasattr(error, "summary") else str(error.reason)
    if status in refusals:
        return ApiRefusedError(action, status, answer)
    if status >= _SERVER_ERRORS or status in {0, _TOO_MANY_REQUESTS}:
        return ApiUnavailableError(action, f"{status} {answer}")
    return ApiRefusedError(action, status, answer)


def _event(name: str, uid: str, notice: Notice, time: str) -> Manifest:
    """Not kopf's own: it gives the object a namespace, by which `kubectl describe` does not find the Event."""
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{name}.", "namespace": _EVENTS_NAMESPACE},
        "involvedObject": {"apiVersion": f"{GROUP}/{VERSION}", "kind": "OOMPolicy", "name": name, "uid": uid},
        "type": notice.type,
        "reason": notice.reason,
        "message": notice.message[:1024],
        "source": {"component": FIELD_MANAGER},
        "reportingComponent": FIELD_MANAGER,
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
    }
