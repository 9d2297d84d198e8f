"""`oompolicy-operator retire`: has all agents leave their nodes as they were, before the chart is uninstalled.

The operator is stopped first, or it would make the agents' DaemonSets again. Then these go while the agents still have
their rights: the last agent of a node asks whether any stays, and if none does, the node becomes what it was.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection

from oompolicy_api.labels import AGENT_LABEL, POLICY_LABEL
from oompolicy_operator.cluster import OPERATOR, Cluster

__all__ = ["retire"]

LOOK_SECONDS = 1.0
OPERATOR_LABELS = "app.kubernetes.io/name=oompolicy,app.kubernetes.io/component=operator"
AGENT_LABELS = "=".join(AGENT_LABEL)
MOST_NAMED = 10

logger = logging.getLogger(__name__)


async def retire(cluster: Cluster, *, operator_namespace: str, agents_namespace: str, seconds: float) -> bool:
    """Whether all agents have gone in time; those that have not are logged, by node.

    Raises:
        ApiRefusedError, ApiUnavailableError: as Cluster does.
    """
    start = time.monotonic()
    await cluster.stop_deployment(operator_namespace, OPERATOR)
    logger.info("Stopped operator", extra={"namespace": operator_namespace})
    await _gone(lambda: _nodes(cluster, operator_namespace, OPERATOR_LABELS), start + seconds / 3)
    await cluster.delete_daemon_sets(agents_namespace, POLICY_LABEL)
    logger.info("Deleted DaemonSets", extra={"namespace": agents_namespace})
    left = await _gone(lambda: _nodes(cluster, agents_namespace, AGENT_LABELS), start + seconds)
    if left:
        logger.warning("Some agents have not gone", extra={"count": len(left), "nodes": sorted(left)[:MOST_NAMED]})
    else:
        logger.info("All agents have gone")
    return not left


async def _nodes(cluster: Cluster, namespace: str, labels: str) -> list[str]:
    """On which nodes there are such pods, one for each pod."""
    return [pod["spec"].get("nodeName", "") for pod in await cluster.pods(namespace, labels)]


async def _gone(find: Callable[[], Awaitable[Collection[str]]], end: float) -> Collection[str]:
    """Waits until nothing is found; what still is, at the end."""
    while (found := await find()) and time.monotonic() < end:  # noqa: ASYNC110 - it happens elsewhere
        await asyncio.sleep(LOOK_SECONDS)
    return found
