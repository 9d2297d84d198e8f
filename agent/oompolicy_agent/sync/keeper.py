"""Keeps `targets.json` in step with the cluster; while the API server is away it leaves what stands there."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from structlog.typing import FilteringBoundLogger

from oompolicy_agent.sync import targets
from oompolicy_agent.sync.retry import Delays
from oompolicy_agent.sync.source import ApiError, Collection, Source
from oompolicy_agent.sync.targets import Plan
from oompolicy_agent.sync.world import Change, Kind, Listing, World
from oompolicy_api import GROUP, VERSION

__all__ = ["Keeper", "collections"]

SETTLE_SECONDS = 0.1
"""Changes come in crowds: a pod that starts changes four times in a second."""

PAUSE_SECONDS = 0.3
"""At least so long between two writes."""


def collections(node: str) -> tuple[Collection, ...]:
    """What the agent of `node` watches."""
    return (
        Collection(Kind.NODE, "/api/v1/nodes", f"metadata.name={node}"),
        Collection(Kind.NAMESPACE, "/api/v1/namespaces"),
        Collection(Kind.POLICY, f"/apis/{GROUP}/{VERSION}/oompolicies"),
        Collection(Kind.POD, "/api/v1/pods", f"spec.nodeName={node}", page=20),
    )


class Keeper:
    """The world as it is known, and the targets that follow from it.

    Attributes:
        world: what is known of the cluster.
        plan: what follows from it for the node, and what of it was not understood.
        kubelet_hard_eviction_bytes: kubelet's own threshold, None for "could not tell".
    """

    def __init__(self, source: Source, path: Path, node: str, log: FilteringBoundLogger) -> None:
        self.world = World()
        self.plan = Plan(None)
        self.kubelet_hard_eviction_bytes: int | None = None
        self._source = source
        self._path = path
        self._node = node
        self._log = log
        self._changed = asyncio.Event()

    async def follow(self, collection: Collection) -> None:
        """Takes in everything that happens to `collection`, for ever."""
        delays = Delays()
        answered = True
        while True:
            try:
                async for event in self._source.events(collection):
                    answered = self._answered(collection, before=answered)
                    delays.reset()
                    self._take(event)
            except ApiError as error:
                if answered:
                    self._log.warning(
                        "Lost the API server, keeping what is known", kind=collection.kind, err=str(error)
                    )
                answered = False
            await asyncio.sleep(delays.following())

    def _answered(self, collection: Collection, *, before: bool) -> bool:
        if not before:
            self._log.info("Found the API server again", kind=collection.kind)
        return True

    def _take(self, event: Listing | Change) -> None:
        self.world = self.world.after(event)
        self._changed.set()

    @property
    def node_memory_bytes(self) -> int:
        """The node's capacity; 0 while nobody has said it."""
        node = self.world.node
        return node.value.memory_bytes if node and node.value else 0

    def learn_kubelet_threshold(self, hard_eviction_bytes: int | None) -> None:
        """Takes in what kubelet said."""
        self.kubelet_hard_eviction_bytes = hard_eviction_bytes
        self._changed.set()

    async def run(self) -> None:
        """Writes targets whenever the world says something new, for ever."""
        while True:
            await self._changed.wait()
            await asyncio.sleep(SETTLE_SECONDS)
            self._changed.clear()
            self._write()
            await asyncio.sleep(PAUSE_SECONDS)

    def part(self, agents_of: frozenset[str]) -> None:
        """Writes the last targets: what stays in force once only the agents of these policies are left on the node."""
        self.world = self.world.with_agents_of(agents_of)
        self._write()

    def _write(self) -> None:
        plan = targets.plan(self.world, self._node, self.kubelet_hard_eviction_bytes)
        for problem in plan.problems:
            if problem not in self.plan.problems:
                self._log.error("Met a problem", problem=problem)
        self.plan = plan
        if plan.document is not None:
            self._put(plan.document)

    def _put(self, document: dict[str, Any]) -> None:
        try:
            written = targets.write(self._path, document, datetime.now(UTC))
        except OSError as error:  # the guard makes the folder; it may not have started yet
            self._log.warning("Could not write targets, trying again", path=str(self._path), err=str(error))
            self._changed.set()
            return
        if written:
            policy = document["policy"] or {}
            self._log.info(
                "Wrote targets", policy=policy.get("name"), mode=policy.get("mode"), pods=len(document["pods"])
            )
