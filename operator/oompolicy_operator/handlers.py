"""What kopf calls: indexes keep the picture of the cluster, events say which policies to look at. Nothing decides here.

All are of kopf's level-triggered kinds, index and event. These keep no progress in the policy, so that the operator
never writes annotations to an object that belongs to its user, and never adds a finalizer.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, cast

import kopf

from oompolicy_api import GROUP, VERSION
from oompolicy_operator.acceptance import accept
from oompolicy_operator.archive import Archive
from oompolicy_operator.cluster import Cluster
from oompolicy_operator.controller import Controller
from oompolicy_operator.decisions import Kept, kept
from oompolicy_operator.manifests import AGENT_LABEL, POLICY_LABEL
from oompolicy_operator.memory import Memory, StoredPolicy
from oompolicy_operator.metrics import Metrics, PolicyCollector
from oompolicy_operator.observed import Labels, NodeReport, ReadyAgent, ready_agent, report
from oompolicy_operator.settings import Settings

__all__ = ["Handlers"]

_POLICIES = (GROUP, VERSION, "oompolicies")
_REPORTS = (GROUP, VERSION, "oomnodes")
_DAEMON_SETS = ("apps", "v1", "daemonsets")
_NODES = ("", "v1", "nodes")
_PODS = ("", "v1", "pods")
_DECISIONS = (GROUP, VERSION, "oomdecisions")

_CRD_RETRY_SECONDS = 2.0
_NEVER_SEEN = object()


class Handlers:
    """The handlers, with the controller and the archive that they tell."""

    def __init__(self, cluster: Cluster, settings: Settings, metrics: Metrics) -> None:
        self._cluster = cluster
        self._settings = settings
        self._metrics = metrics
        self._controller: Controller | None = None
        self._archive: Archive | None = None
        self._sweeping: asyncio.Task[None] | None = None

    def registry(self) -> kopf.OperatorRegistry:
        """A registry with all handlers, each under an id of its own that outlives a change of its function's name."""
        registry = kopf.OperatorRegistry()
        kopf.on.login(id="login", registry=registry)(kopf.login_via_client)
        kopf.on.startup(id="wait-for-crds", registry=registry)(self.wait_for_crds)
        kopf.on.startup(id="start", registry=registry)(self.start)
        kopf.on.cleanup(id="stop", registry=registry)(self.stop)
        made_by_us, agents = {POLICY_LABEL: kopf.PRESENT}, dict([AGENT_LABEL])
        kopf.index(*_POLICIES, id="policies", registry=registry)(index_policy)
        kopf.index(*_DAEMON_SETS, id="daemon_sets", labels=made_by_us, registry=registry)(index_daemon_set)
        kopf.index(*_NODES, id="nodes", registry=registry)(index_node)
        kopf.index(*_REPORTS, id="reports", registry=registry)(index_report)
        kopf.index(*_PODS, id="agents", labels=agents, registry=registry)(index_agent)
        kopf.index(*_DECISIONS, id="decisions", registry=registry)(index_decision)
        kopf.on.event(*_POLICIES, id="policy-seen", registry=registry)(self.policy_seen)
        kopf.on.event(*_DAEMON_SETS, id="daemon-set-seen", labels=made_by_us, registry=registry)(self.daemon_set_seen)
        kopf.on.event(*_NODES, id="node-seen", registry=registry)(self.node_seen)
        kopf.on.event(*_REPORTS, id="report-seen", registry=registry)(self.report_seen)
        kopf.on.event(*_PODS, id="agent-seen", labels=agents, registry=registry)(self.agent_seen)
        kopf.on.event(*_DECISIONS, id="decision-seen", registry=registry)(self.decision_seen)
        return registry

    async def wait_for_crds(self, **_: object) -> None:
        """Holds everything back until the CRDs are served: kopf looks for its kinds only once."""
        if not await self._cluster.has_policies_kind():
            raise kopf.TemporaryError(f"no API {GROUP}/{VERSION}: install the CRDs", delay=_CRD_RETRY_SECONDS)

    async def start(self, **kwargs: object) -> None:
        """Takes hold of the indexes, which kopf fills before it sends the first event."""
        indexes = ("policies", "daemon_sets", "nodes", "reports", "agents")
        memory = Memory(*(cast("Mapping[str, Any]", kwargs[name]) for name in indexes))
        decisions = cast("Mapping[str, Any]", kwargs["decisions"])
        controller = Controller(self._cluster, memory, self._settings.agent, self._metrics)
        archive = Archive(self._cluster, decisions, self._settings.decisions, self._metrics)
        self._controller, self._archive = controller, archive
        self._metrics.depth.labels("policy").set_function(lambda: len(controller.queue))
        self._metrics.depth.labels("decision").set_function(lambda: len(archive.queue))
        self._metrics.decisions.set_function(lambda: len(decisions))
        self._metrics.registry.register(PolicyCollector(memory.statuses))
        self._sweeping = asyncio.create_task(self._archive.sweep_for_ever(), name="sweep decisions")

    async def stop(self, **_: object) -> None:
        """Ends all work."""
        if self._sweeping:
            self._sweeping.cancel()
        if self._archive:
            await self._archive.queue.close()
        if self._controller:
            await self._controller.queue.close()

    @property
    def is_at_work(self) -> bool:
        """Whether the CRDs were there and the cluster is watched."""
        return self._controller is not None

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

    async def node_seen(self, *, body: kopf.Body, memo: kopf.Memo, event: Mapping[str, Any], **_: object) -> None:
        """Only its labels matter, and a node's heartbeat does not change these."""
        if _is_new(memo, event, _labels(body)):
            self.controller.everything_changed()

    async def report_seen(
        self, *, name: str, body: kopf.Body, memo: kopf.Memo, event: Mapping[str, Any], **_: object
    ) -> None:
        """Most reports only bring newer numbers."""
        if _is_new(memo, event, report(body)):
            self._node_changed(name)

    async def agent_seen(self, *, body: kopf.Body, memo: kopf.Memo, event: Mapping[str, Any], **_: object) -> None:
        """Only whether it is Ready matters."""
        if _is_new(memo, event, ready_agent(body)):
            self._node_changed(body["spec"].get("nodeName", ""))

    async def decision_seen(self, *, name: str, **_: object) -> None:
        """It may ask for an eviction."""
        if self._archive:
            self._archive.decision_seen(name)

    def _node_changed(self, node: str) -> None:
        self.controller.policies_changed(self.controller.memory.policies_for(node))


def index_policy(body: kopf.Body, **_: object) -> dict[str, StoredPolicy]:
    """By name."""
    return {body["metadata"]["name"]: StoredPolicy(accept(body), int(body["metadata"]["resourceVersion"]))}


def index_daemon_set(body: kopf.Body, **_: object) -> dict[str, Mapping[str, Any]]:
    """By name, what we may have written of it."""
    return {body["metadata"]["name"]: {key: body[key] for key in ("apiVersion", "kind", "metadata", "spec")}}


def index_node(body: kopf.Body, **_: object) -> dict[str, Labels]:
    """The labels by name."""
    return {body["metadata"]["name"]: _labels(body)}


def index_report(body: kopf.Body, **_: object) -> dict[str, NodeReport]:
    """By node."""
    found = report(body)
    return {body["metadata"]["name"]: found} if found else {}


def index_agent(body: kopf.Body, **_: object) -> dict[str, ReadyAgent]:
    """The Ready ones, by node."""
    found = ready_agent(body)
    return {found.node: found} if found else {}


def index_decision(body: kopf.Body, **_: object) -> dict[str, Kept]:
    """By name."""
    found = kept(body)
    return {found.name: found} if found else {}


def _labels(body: Mapping[str, Any]) -> Labels:
    return dict(body["metadata"].get("labels", {}))


def _is_new(memo: kopf.Memo, event: Mapping[str, Any], value: object) -> bool:
    """Whether an object is gone, or says something else than the last time; kopf keeps a `memo` for each object."""
    before, memo["seen"] = memo.get("seen", _NEVER_SEEN), value
    return bool(event["type"] == "DELETED" or before != value)
