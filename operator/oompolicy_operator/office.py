"""The operator at work: who follows what, and who is told of it. Put together once the CRDs are there."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from sys import intern
from typing import Any, TypeVar

from oompolicy_api import GROUP, VERSION
from oompolicy_api.labels import AGENT_LABEL
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

__all__ = ["Office"]

API = f"/apis/{GROUP}/{VERSION}"

T = TypeVar("T")


class Office:
    """Controller, archive, and the reflectors for the kinds of which there are many.

    Args:
        cluster: to read and write.
        settings: the operator's.
        metrics: to be told.
        policies, daemon_sets: kopf's indexes.
    """

    def __init__(
        self,
        cluster: Cluster,
        settings: Settings,
        metrics: Metrics,
        policies: Mapping[str, Collection[StoredPolicy]],
        daemon_sets: Mapping[str, Collection[Mapping[str, Any]]],
    ) -> None:
        self._cluster = cluster
        pods = f"/api/v1/namespaces/{settings.agent.namespace}/pods"
        nodes = self._reflector("/api/v1/nodes", labels_of, self._node_changed, metadata_only=True)
        reports = self._reflector(f"{API}/oomnodes", report, self._report_changed)
        agents = self._reflector(pods, ready_agent, self._agent_changed, "=".join(AGENT_LABEL))
        self._reflectors: list[Reflector[Any]] = [nodes, reports, agents]
        self._agents = Agents()
        memory = Memory(policies, daemon_sets, nodes.values, reports.values, self._agents)
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


def labels_of(body: Mapping[str, Any]) -> Labels:
    """A node's labels. The same words stand on thousands of nodes, and are kept once."""
    return {intern(key): intern(value) for key, value in body["metadata"].get("labels", {}).items()}
