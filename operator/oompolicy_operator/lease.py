"""Holds the one Lease of the cluster while the operator works, so that of any number of operators one works.

The rules are those of Kubernetes' leader election (client-go, tools/leaderelection): whoever finds the Lease unchanged
for its whole duration may take it, by his own clock alone. The Python client has an election of its own; as of 37.0.2
its asynchronous lock cannot create a Lease, ends when the API server restarts, and never gives the Lease back.
"""

import asyncio
import logging
import os
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from oompolicy_operator.cluster import Cluster
from oompolicy_operator.errors import ApiRefusedError, ApiUnavailableError

__all__ = ["LEASE", "NAMESPACE", "Lease", "LeaseLostError", "lead"]

LEASE = "oompolicy-operator"
NAMESPACE = "default"
"""The same wherever the operator runs, or two in two namespaces would not know of each other."""

LEASE_SECONDS, RENEW_SECONDS, RETRY_SECONDS = 15, 10, 2
"""As Kubernetes' own controllers have them: a dead operator is replaced after the first, one that cannot renew stops
after the second."""
STOP_SECONDS = 4
"""To end the work after the Lease was lost, before somebody else may have it."""
_REQUEST_SECONDS = 5

logger = logging.getLogger(__name__)

Spec = dict[str, Any]


class LeaseLostError(Exception):
    """The Lease could not be renewed in time; whoever has it now works."""


class Lease:
    """The Lease, as one candidate sees it.

    Args:
        cluster: with the rights over the Lease.
        told: called with the holder while somebody else has the Lease, and with "" when it is ours.
    """

    def __init__(self, cluster: Cluster, told: Callable[[str], None]) -> None:
        # a restarted container has the same process id: it takes its own Lease again at once
        self.identity = f"{socket.gethostname()}_{os.getpid()}"
        self._cluster = cluster
        self._told = told
        self._seen = ("", float("-inf"))
        """The version that was seen last, and since when, by the monotonic clock."""

    async def acquire(self) -> None:
        """Returns once the Lease is ours."""
        while not await self.take():  # noqa: ASYNC110 - what it waits for happens elsewhere
            await asyncio.sleep(RETRY_SECONDS)
        logger.info("Acquired Lease", extra={"lease": f"{NAMESPACE}/{LEASE}", "holder": self.identity})

    async def renew_until_lost(self) -> None:
        """Returns when it could not be renewed for ten seconds."""
        renewed = time.monotonic()
        while time.monotonic() - renewed < RENEW_SECONDS:
            await asyncio.sleep(RETRY_SECONDS)
            if await self.take():
                renewed = time.monotonic()

    async def take(self) -> bool:
        """Tries once to take the Lease, or to renew it; whether it is ours now."""
        try:
            async with asyncio.timeout(_REQUEST_SECONDS):
                return await self._take()
        except (ApiRefusedError, ApiUnavailableError, TimeoutError) as error:
            logger.warning("Could not take Lease", extra={"err": str(error) or "timeout"})
            return False

    async def release(self) -> None:
        """Lets the next one have it now; if that fails, in 15 seconds."""
        try:
            async with asyncio.timeout(_REQUEST_SECONDS):
                found = await self._cluster.lease(NAMESPACE, LEASE)
                if found and found["spec"].get("holderIdentity") == self.identity:
                    await self._cluster.write_lease(_lease(found, found["spec"] | {"holderIdentity": ""}))
                    logger.info("Released Lease", extra={"lease": f"{NAMESPACE}/{LEASE}"})
        except (ApiRefusedError, ApiUnavailableError, TimeoutError) as error:
            logger.warning("Could not release Lease", extra={"err": str(error) or "timeout"})

    async def _take(self) -> bool:
        found = await self._cluster.lease(NAMESPACE, LEASE)
        before: Spec = found["spec"] if found else {}
        holder = before.get("holderIdentity") or ""
        if found and self._must_wait(found["metadata"]["resourceVersion"], holder):
            self._told(holder)
            return False
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        spec = before | {"holderIdentity": self.identity, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": now}
        if holder != self.identity:
            spec |= {"acquireTime": now, "leaseTransitions": before.get("leaseTransitions", 0) + 1}
        await self._cluster.write_lease(_lease(found, spec))
        self._told("")
        return True

    def _must_wait(self, version: str, holder: str) -> bool:
        """Whether somebody else has it, and has renewed it since or not long before it was first seen so."""
        now = time.monotonic()
        if version != self._seen[0]:
            self._seen = (version, now)
        return holder not in {"", self.identity} and now - self._seen[1] < LEASE_SECONDS


def _lease(found: Mapping[str, Any] | None, spec: Spec) -> dict[str, Any]:
    """With the version that was found: of two who take it at once, the API server refuses one."""
    metadata = {"name": LEASE, "namespace": NAMESPACE}
    version = {"resourceVersion": found["metadata"]["resourceVersion"]} if found else {}
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata | version, "spec": spec}


async def lead(lease: Lease, stopping: asyncio.Event, work: Callable[[], Awaitable[None]]) -> None:
    """Waits until the Lease is ours, then does `work` while it is, and gives it back.

    Args:
        lease: to be held.
        stopping: once it is set nothing is begun; `work` has to end itself then.
        work: what only one operator may do; cancelled if the Lease is lost.

    Raises:
        LeaseLostError: it could not be renewed; end the process, and the next one waits again.
    """
    acquiring, told = asyncio.create_task(lease.acquire()), asyncio.create_task(stopping.wait())
    await asyncio.wait({acquiring, told}, return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    if not acquiring.done():
        acquiring.cancel()
        return
    working, renewing = asyncio.ensure_future(work()), asyncio.create_task(lease.renew_until_lost())
    await asyncio.wait({working, renewing}, return_when=asyncio.FIRST_COMPLETED)
    if renewing.done():
        working.cancel()
        await asyncio.wait({working}, timeout=STOP_SECONDS)
        raise LeaseLostError(f"Lease {NAMESPACE}/{LEASE} was not renewed for {RENEW_SECONDS} s")
    renewing.cancel()
    await lease.release()
    working.result()
