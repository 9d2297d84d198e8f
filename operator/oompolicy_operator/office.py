"""The operator at work: who follows what, and who is told of it. Put together once the CRDs are there."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from sys import intern
from typing import Any, TypeVar

from oompolicy_api import GROUP, VERSION
from oompolicy_api.labels import AGENT_LABEL, POLICY_LABEL
from oompolicy_operator.archive import Archive
from oompolicy_operator.cluster import Cluster
from oompolicy_operator.controller import Controller
from oompolicy_operator.decisions import Kept, kept
from oompolicy_operator.feed import Feed
from oompolicy_operator.manifests import Manifest
from oompolicy_operator.memory import Agents, Memory, StoredPolicy
from oompolicy_operator.metrics import Metrics, PolicyCollector
from oompolicy_operator.observed import Labels, NodeReport, ReadyAgent, ready_agent, report
from oompolicy_operator.reflector import Reflector
from oompolicy_operator.settings import Settings

__all__ = ["Office"]

API = f"/apis/{GROUP}/{VERSION}"

T = TypeVar("T")


class Office:
    """Controller, archive, and the reflectors for all that has to be known beside the policies.

    Args:
        cluster: to read and write.
        settings: the operator's.
        metrics: to be told.
        policies: kopf's index.
    """

    def __init__(
        self,
        cluster: Cluster,
        settings: Settings,
        metrics: Metrics,
        policies: Mapping[str, Collection[StoredPolicy]],
    ) -> None:
        self._cluster = cluster
        namespace = settings.agent.namespace
        pods, sets = f"/api/v1/namespaces/{namespace}/pods", f"/apis/apps/v1/namespaces/{namespace}/daemonsets"
        uids = self._reflector(f"{API}/oompolicies", uid_of, self._policy_changed, metadata_only=True)
        daemon_sets = self._reflector(sets, daemon_set, self._daemon_set_changed, POLICY_LABEL)
        nodes = self._reflector("/api/v1/nodes", labels_of, self._node_changed, metadata_only=True)
        reports = self._reflector(f"{API}/oomnodes", report, self._report_changed)
        agents = self._reflector(pods, ready_agent, self._agent_changed, "=".join(AGENT_LABEL))
        self._reflectors: list[Reflector[Any]] = [uids, daemon_sets, nodes, reports, agents]
        self._agents = Agents()
        memory = Memory(policies, uids.values, daemon_sets.values, nodes.values, reports.values, self._agents)
        self.controller = Controller(cluster, memory, settings.agent, metrics)
        self._archive: Archive | None = None
        if settings.decisions.namespace:
            self._archive = self._archive_of(settings, metrics)
        metrics.depth.labels("policy").set_function(lambda: len(self.controller.queue))
        metrics.registry.register(PolicyCollector(memory.statuses))
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Begins to follow, and returns once everything has been listed."""
        self._tasks += [asyncio.create_task(each.run(), name=f"follow {each.path}") for each in self._reflectors]
        if self._archive:
            self._tasks.append(asyncio.create_task(self._archive.sweep_for_ever(), name="sweep decisions"))
        for each in self._reflectors:
            await each.listed.wait()

    async def close(self) -> None:
        """Ends all work."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._archive:
            await self._archive.queue.close()
        await self.controller.queue.close()

    def _archive_of(self, settings: Settings, metrics: Metrics) -> Archive:
        path = f"{API}/namespaces/{settings.decisions.namespace}/oomdecisions"
        decisions = self._reflector(path, kept, self._decision_changed)
        self._reflectors.append(decisions)
        archive = Archive(self._cluster, decisions.values, settings.decisions, metrics)
        metrics.depth.labels("decision").set_function(lambda: len(archive.queue))
        metrics.decisions.set_function(lambda: len(decisions.values))
        return archive

    def _policy_changed(self, _name: str, _before: str | None, _after: str | None) -> None:
        """It is gone, or a new one: it may have overridden others, or do so now."""
        self.controller.everything_changed()

    def _daemon_set_changed(self, _name: str, before: Manifest | None, after: Manifest | None) -> None:
        """Somebody may have changed it."""
        named = {each["metadata"]["labels"][POLICY_LABEL] for each in (before, after) if each}
        self.controller.policies_changed(named & self.controller.memory.policies.keys())

    def _node_changed(self, _name: str, _before: Labels | None, _after: Labels | None) -> None:
        """Its labels, or whether it is there."""
        self.controller.memory.nodes_changed()
        self.controller.everything_changed()

    def _report_changed(self, node: str, _before: NodeReport | None, _after: NodeReport | None) -> None:
        """In something that counts: most reports only bring newer numbers."""
        self.controller.policies_changed(self.controller.memory.policies_for(node))

    def _agent_changed(self, _name: str, before: ReadyAgent | None, after: ReadyAgent | None) -> None:
        """It became Ready, or is not any more."""
        self._agents.change(before, after)
        for node in {each.node for each in (before, after) if each}:
            self.controller.policies_changed(self.controller.memory.policies_for(node))

    def _decision_changed(self, name: str, _before: Kept | None, _after: Kept | None) -> None:
        """It may ask for an eviction."""
        if self._archive:
            self._archive.decision_seen(name)

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


def uid_of(body: Mapping[str, Any]) -> str:
    """Another one of the same name has another."""
    return str(body["metadata"]["uid"])


def daemon_set(body: Mapping[str, Any]) -> Manifest:
    """What we may have written of it; the API server lists objects without their kind."""
    metadata = {key: body["metadata"].get(key) for key in ("name", "namespace", "labels", "ownerReferences")}
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": metadata, "spec": body["spec"]}


def labels_of(body: Mapping[str, Any]) -> Labels:
    """A node's labels. The same words stand on thousands of nodes, and are kept once."""
    return {intern(key): intern(value) for key, value in body["metadata"].get("labels", {}).items()}
