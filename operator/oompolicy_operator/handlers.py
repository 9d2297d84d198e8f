"""What kopf calls: indexes keep the picture of the cluster, events say which policies to look at. Nothing decides here.

All are of kopf's level-triggered kinds, index and event. These keep no progress in the policy, so that the operator
never writes annotations to an object that belongs to its user, and never adds a finalizer.
"""

import asyncio
from collections.abc import Callable, Mapping
from sys import intern
from typing import Any, TypeVar, cast

import kopf

from oompolicy_api import GROUP, VERSION
from oompolicy_api.labels import AGENT_LABEL, POLICY_LABEL
from oompolicy_operator.acceptance import accept
from oompolicy_operator.archive import Archive
from oompolicy_operator.cluster import Cluster
from oompolicy_operator.controller import Controller
from oompolicy_operator.decisions import Kept, kept
from oompolicy_operator.feed import Feed
from oompolicy_operator.memory import Agents, Memory, StoredPolicy
from oompolicy_operator.metrics import Metrics, PolicyCollector
from oompolicy_operator.observed import Labels, NodeReport, ReadyAgent, ready_agent, report
from oompolicy_operator.reflector import Reflector
from oompolicy_operator.settings import Settings

__all__ = ["Handlers"]

_POLICIES = (GROUP, VERSION, "oompolicies")
_DAEMON_SETS = ("apps", "v1", "daemonsets")
NODES = "/api/v1/nodes"
REPORTS = f"/apis/{GROUP}/{VERSION}/oomnodes"

_CRD_RETRY_SECONDS = 2.0
_NEVER_SEEN = object()

T = TypeVar("T")


class Handlers:
    """The handlers, with the controller and the archive that they tell."""

    def __init__(self, cluster: Cluster, settings: Settings, metrics: Metrics) -> None:
        self._cluster = cluster
        self._settings = settings
        self._metrics = metrics
        self._controller: Controller | None = None
        self._archive: Archive | None = None
        self._agents = Agents()
        self._is_at_work = False
        self._background: list[asyncio.Task[None]] = []

    def registry(self) -> kopf.OperatorRegistry:
        """A registry with all handlers, each under an id of its own that outlives a change of its function's name."""
        registry = kopf.OperatorRegistry()
        kopf.on.login(id="login", registry=registry)(kopf.login_via_client)
        kopf.on.startup(id="wait-for-crds", registry=registry)(self.wait_for_crds)
        kopf.on.startup(id="start", registry=registry)(self.start)
        kopf.on.cleanup(id="stop", registry=registry)(self.stop)
        made_by_us = {POLICY_LABEL: kopf.PRESENT}
        kopf.index(*_POLICIES, id="policies", registry=registry)(index_policy)
        kopf.index(*_DAEMON_SETS, id="daemon_sets", labels=made_by_us, registry=registry)(index_daemon_set)
        kopf.on.event(*_POLICIES, id="policy-seen", registry=registry)(self.policy_seen)
        kopf.on.event(*_DAEMON_SETS, id="daemon-set-seen", labels=made_by_us, registry=registry)(self.daemon_set_seen)
        return registry

    async def wait_for_crds(self, **_: object) -> None:
        """Holds everything back until the CRDs are served: kopf looks for its kinds only once."""
        if not await self._cluster.has_policies_kind():
            raise kopf.TemporaryError(f"no API {GROUP}/{VERSION}: install the CRDs", delay=_CRD_RETRY_SECONDS)

    async def start(self, **kwargs: object) -> None:
        """Follows the kinds of which there are many, and returns once all of them have been listed.

        kopf waits for that, and fills its indexes, before it sends the first event.
        """
        policies, daemon_sets = (cast("Mapping[str, Any]", kwargs[name]) for name in ("policies", "daemon_sets"))
        nodes = self._reflector(NODES, labels_of, self.node_changed, metadata_only=True)
        reports = self._reflector(REPORTS, report, self.report_changed)
        pods = f"/api/v1/namespaces/{self._settings.agent.namespace}/pods"
        agents = self._reflector(pods, ready_agent, self.agent_changed, "=".join(AGENT_LABEL))
        memory = Memory(policies, daemon_sets, nodes.values, reports.values, self._agents)
        controller = self._controller = Controller(self._cluster, memory, self._settings.agent, self._metrics)
        self._metrics.depth.labels("policy").set_function(lambda: len(controller.queue))
        self._metrics.registry.register(PolicyCollector(memory.statuses))
        follow: list[Reflector[Any]] = [nodes, reports, agents]
        if namespace := self._settings.decisions.namespace:
            follow.append(self._keep_archive(namespace))
        self._background += [asyncio.create_task(each.run(), name=f"follow {each.path}") for each in follow]
        for each in follow:
            await each.listed.wait()
        self._is_at_work = True

    def _keep_archive(self, namespace: str) -> Reflector[Kept]:
        path = f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/oomdecisions"
        decisions = self._reflector(path, kept, self.decision_changed)
        archive = self._archive = Archive(self._cluster, decisions.values, self._settings.decisions, self._metrics)
        self._metrics.depth.labels("decision").set_function(lambda: len(archive.queue))
        self._metrics.decisions.set_function(lambda: len(decisions.values))
        self._background.append(asyncio.create_task(archive.sweep_for_ever(), name="sweep decisions"))
        return decisions

    async def stop(self, **_: object) -> None:
        """Ends all work."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        if self._archive:
            await self._archive.queue.close()
        if self._controller:
            await self._controller.queue.close()

    @property
    def is_at_work(self) -> bool:
        """Whether the CRDs were there and the cluster is known."""
        return self._is_at_work

    @property
    def controller(self) -> Controller:
        """The controller.

        Raises:
            RuntimeError: before start().
        """
        if self._controller is None:
            raise RuntimeError("start() has not been called")
        return self._controller

    async def policy_seen(
        self, *, name: str, body: kopf.Body, memo: kopf.Memo, event: Mapping[str, Any], **_: object
    ) -> None:
        """A new spec concerns all policies: it may override others or set them free. A new status concerns its own."""
        meta = body["metadata"]
        if _is_new(memo, event, (meta["generation"], meta.get("deletionTimestamp"))):
            self.controller.everything_changed()
        self.controller.policies_changed([name])

    async def daemon_set_seen(self, *, labels: Mapping[str, str], **_: object) -> None:
        """Somebody may have changed it."""
        self.controller.policies_changed([labels[POLICY_LABEL]])

    def node_changed(self, _name: str, _before: Labels | None, _after: Labels | None) -> None:
        """Its labels, or whether it is there."""
        self.controller.memory.nodes_changed()
        self.controller.everything_changed()

    def report_changed(self, name: str, _before: NodeReport | None, _after: NodeReport | None) -> None:
        """In something that counts: most reports only bring newer numbers."""
        self._node_changed(name)

    def agent_changed(self, _name: str, before: ReadyAgent | None, after: ReadyAgent | None) -> None:
        """It became Ready, or is not any more."""
        self._agents.change(before, after)
        for node in {each.node for each in (before, after) if each}:
            self._node_changed(node)

    def decision_changed(self, name: str, _before: Kept | None, _after: Kept | None) -> None:
        """It may ask for an eviction."""
        if self._archive:
            self._archive.decision_seen(name)

    def _node_changed(self, node: str) -> None:
        self.controller.policies_changed(self.controller.memory.policies_for(node))

    def _reflector(
        self,
        path: str,
        cut: Callable[[Mapping[str, Any]], T | None],
        changed: Callable[[str, T | None, T | None], None],
        labels: str = "",
        *,
        metadata_only: bool = False,
    ) -> Reflector[T]:
        return Reflector(Feed(self._cluster.api.client, path, labels, metadata_only), cut, changed)


def index_policy(body: kopf.Body, **_: object) -> dict[str, StoredPolicy]:
    """By name."""
    return {body["metadata"]["name"]: StoredPolicy(accept(body), int(body["metadata"]["resourceVersion"]))}


def index_daemon_set(body: kopf.Body, **_: object) -> dict[str, Mapping[str, Any]]:
    """By name, what we may have written of it."""
    return {body["metadata"]["name"]: {key: body[key] for key in ("apiVersion", "kind", "metadata", "spec")}}


def labels_of(body: Mapping[str, Any]) -> Labels:
    """A node's labels. The same words stand on thousands of nodes, and are kept once."""
    return {intern(key): intern(value) for key, value in body["metadata"].get("labels", {}).items()}


def _is_new(memo: kopf.Memo, event: Mapping[str, Any], value: object) -> bool:
    """Whether an object is gone, or says something else than the last time; kopf keeps a `memo` for each object."""
    before, memo["seen"] = memo.get("seen", _NEVER_SEEN), value
    return bool(event["type"] == "DELETED" or before != value)
