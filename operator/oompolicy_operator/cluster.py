"""What the operator asks of the API server. The only place that writes."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from oompolicy_api import GROUP, VERSION
from oompolicy_api.conditions import Condition
from oompolicy_api.policy import OOMPolicyStatus
from oompolicy_operator.api import Api
from oompolicy_operator.errors import ApiRefusedError
from oompolicy_operator.manifests import FIELD_MANAGER, Manifest
from oompolicy_operator.reconcile import Notice

__all__ = ["OPERATOR", "Cluster"]

OPERATOR = "oompolicy-operator"
"""The chart's name for the operator's Deployment."""

_NOT_FOUND, _TOO_MANY_REQUESTS = 404, 429
_OURS = f"/apis/{GROUP}/{VERSION}"
_DEPLOYMENTS = "/apis/apps/v1/namespaces/{}/deployments"
_DAEMON_SETS = "/apis/apps/v1/namespaces/{}/daemonsets"
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/{}/leases"
_PODS = "/api/v1/namespaces/{}/pods"
_EVENTS = "/api/v1/namespaces/default/events"
"""Kubernetes files Events about objects without a namespace there, and `kubectl describe` looks for them there."""


class Cluster:
    """Every method raises ApiUnavailableError or ApiRefusedError."""

    def __init__(self, api: Api) -> None:
        self.api = api

    async def has_policies_kind(self) -> bool:
        """Whether the CRD is installed and served."""
        return await self.api.found("read API", _OURS) is not None

    async def apply_daemon_set(self, manifest: Manifest) -> None:
        """Makes the DaemonSet what `manifest` says, whoever has changed these fields."""
        metadata = manifest["metadata"]
        path = f"{_DAEMON_SETS.format(metadata['namespace'])}/{metadata['name']}"
        await self.api.apply("apply DaemonSet", path, manifest, FIELD_MANAGER)

    async def write_status(self, name: str, uid: str, status: OOMPolicyStatus) -> int:
        """Writes the whole status of the policy with this name and uid; returns the object's new resourceVersion."""
        # with another uid it is another policy of the same name, and the API server refuses
        body = _head("OOMPolicy", {"name": name, "uid": uid})
        body["status"] = status.model_dump(mode="json", by_alias=True, exclude_none=True)
        answer = await self.api.apply("write status", f"{_OURS}/oompolicies/{name}/status", body, FIELD_MANAGER)
        return int(answer["metadata"]["resourceVersion"])

    async def pod(self, namespace: str, name: str) -> Mapping[str, Any] | None:
        """The pod of this name; None if there is none."""
        return await self.api.found("read pod", f"{_PODS.format(namespace)}/{name}")

    async def evict(self, namespace: str, name: str, uid: str) -> None:
        """Evicts the pod with this uid, unless a PodDisruptionBudget forbids it, which is ApiRefusedError 429."""
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": name, "namespace": namespace},
            "deleteOptions": {"preconditions": {"uid": uid}},
        }
        path = f"{_PODS.format(namespace)}/{name}/eviction"
        await self.api.request("evict pod", "post", path, body, refusals=(_TOO_MANY_REQUESTS,))

    async def write_decision_status(self, namespace: str, name: str, uid: str, condition: Condition) -> None:
        """Writes the only condition of the OOMDecision with this name and uid."""
        body = _head("OOMDecision", {"name": name, "namespace": namespace, "uid": uid})
        body["status"] = {"conditions": [condition.model_dump(mode="json", by_alias=True, exclude_none=True)]}
        path = f"{_OURS}/namespaces/{namespace}/oomdecisions/{name}/status"
        await self.api.apply("write status", path, body, FIELD_MANAGER)

    async def delete_decision(self, namespace: str, name: str) -> None:
        """Deletes an OOMDecision, if it is still there."""
        try:
            await self.api.request("delete decision", "delete", f"{_OURS}/namespaces/{namespace}/oomdecisions/{name}")
        except ApiRefusedError as error:
            if error.status != _NOT_FOUND:
                raise

    async def lease(self, namespace: str, name: str) -> Mapping[str, Any] | None:
        """The Lease of this name; None if there is none."""
        return await self.api.found("read Lease", f"{_LEASES.format(namespace)}/{name}")

    async def write_lease(self, lease: Manifest) -> None:
        """Replaces the Lease if it still has the resourceVersion of `lease`, or makes it if `lease` has none."""
        metadata = lease["metadata"]
        path = _LEASES.format(metadata["namespace"])
        if "resourceVersion" in metadata:
            await self.api.request("write Lease", "put", f"{path}/{metadata['name']}", lease)
        else:
            await self.api.request("write Lease", "post", path, lease)

    async def post_event(self, name: str, uid: str, notice: Notice, *, now: datetime) -> None:
        """Posts an Event about the policy with this name and uid."""
        event = _event(name, uid, notice, now.replace(microsecond=0).isoformat())
        await self.api.request("post Event", "post", _EVENTS, event, field_manager=FIELD_MANAGER)

    async def deployment(self, namespace: str, name: str) -> Mapping[str, Any] | None:
        """The Deployment of this name; None if there is none."""
        return await self.api.found("read Deployment", f"{_DEPLOYMENTS.format(namespace)}/{name}")

    async def stop_deployment(self, namespace: str, name: str) -> None:
        """Has a Deployment run no pods any more."""
        path = f"{_DEPLOYMENTS.format(namespace)}/{name}/scale"
        content = "application/merge-patch+json"
        await self.api.request("stop Deployment", "patch", path, {"spec": {"replicas": 0}}, content_type=content)

    async def delete_daemon_sets(self, namespace: str, labels: str) -> None:
        """Deletes all DaemonSets that `labels` (a label selector) chooses, and then their pods."""
        await self.api.request("delete DaemonSets", "delete", _DAEMON_SETS.format(namespace), label_selector=labels)

    async def pods(self, namespace: str, labels: str) -> list[Mapping[str, Any]]:
        """The pods that `labels` (a label selector) chooses."""
        answer = await self.api.request("list pods", "get", _PODS.format(namespace), label_selector=labels)
        return list(answer["items"])


def _head(kind: str, metadata: dict[str, Any]) -> Manifest:
    return {"apiVersion": f"{GROUP}/{VERSION}", "kind": kind, "metadata": metadata}


def _event(name: str, uid: str, notice: Notice, time: str) -> Manifest:
    """Not kopf's own: it gives the object a namespace, by which `kubectl describe` does not find the Event."""
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{name}.", "namespace": "default"},
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
