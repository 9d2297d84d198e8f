"""Kubelet's own eviction threshold, so that the policy can decide before kubelet does."""

import asyncio
from collections.abc import Mapping
from typing import Any

from structlog.typing import FilteringBoundLogger

from oompolicy_agent.pods import quantity_bytes
from oompolicy_agent.sync.keeper import Keeper
from oompolicy_agent.sync.source import ApiError, Source
from oompolicy_agent.sync.world import Node

__all__ = ["hard_eviction_bytes", "watch_kubelet"]

ASK_AGAIN_SECONDS = 600.0
"""Kubelet reads its configuration at its start only."""

NOT_KNOWN_YET_SECONDS = 1.0


def hard_eviction_bytes(config: Mapping[str, Any], memory_bytes: int) -> int:
    """The hard threshold of `memory.available` in a KubeletConfiguration, in bytes; 0: kubelet never evicts for it.

    Raises:
        ValueError: it is neither a quantity nor a percentage.
    """
    threshold = (config.get("evictionHard") or {}).get("memory.available", "0")
    if str(threshold).endswith("%"):
        return int(memory_bytes * float(threshold[:-1]) / 100)
    return quantity_bytes(threshold, "evictionHard.memory.available")


async def watch_kubelet(source: Source, keeper: Keeper, log: FilteringBoundLogger) -> None:
    """Asks kubelet from time to time, for ever, and tells `keeper`; without an answer it stays "could not tell"."""
    told = True
    while True:
        node = keeper.world.node and keeper.world.node.value
        if not node or not node.address or not node.kubelet_port:
            await asyncio.sleep(NOT_KNOWN_YET_SECONDS)
            continue
        try:
            keeper.learn_kubelet_threshold(await _asked(source, node))
            told = True
        except (ApiError, ValueError) as error:
            if told:
                log.info("Could not tell the eviction threshold of kubelet", err=str(error))
            told = False
        await asyncio.sleep(ASK_AGAIN_SECONDS)


async def _asked(source: Source, node: Node) -> int:
    config = await source.kubelet_config(node.address, node.kubelet_port)
    return hard_eviction_bytes(config, node.memory_bytes)
