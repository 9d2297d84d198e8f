"""Writes the node's OOMNode: at once what matters, seldom what always moves."""

import asyncio
import random
import time
from typing import Any

from structlog.typing import FilteringBoundLogger

from oompolicy_agent.sync.guard_report import POLL_SECONDS, GuardReport
from oompolicy_agent.sync.keeper import Keeper
from oompolicy_agent.sync.node_status import HEARTBEAT_SECONDS, HESITATION_SECONDS, Written, is_due, status_of
from oompolicy_agent.sync.retry import Delays
from oompolicy_agent.sync.source import ApiError, Source

__all__ = ["Reporter"]

NOT_FOUND = 404


class Reporter:
    """Turns the guard's report and `keeper`'s problems into the status of the OOMNode named `node`."""

    def __init__(
        self, source: Source, report: GuardReport, keeper: Keeper, node: str, log: FilteringBoundLogger
    ) -> None:
        self._source = source
        self._report = report
        self._keeper = keeper
        self._node = node
        self._log = log
        self._seen: object = None
        self._status: dict[str, Any] | None = None
        self._written: Written | None = None
        self._policies: object = None
        self._not_before = 0.0

    async def run(self) -> None:
        """Writes the status whenever it is due, for ever."""
        delays = Delays()
        while True:
            pause = POLL_SECONDS
            try:
                await self.step()
            except ApiError as error:
                self._log.warning("Could not write OOMNode, trying again", err=str(error))
                pause = delays.following()
            else:
                delays.reset()
            await asyncio.sleep(pause)

    async def step(self) -> None:
        """Looks once, and writes if that is due; raises ApiError if the API server does not take it."""
        self._look()
        await self._write_if_due()

    def _look(self) -> None:
        """Computes the status again if anything of it may be new."""
        problems, kubelet = self._keeper.plan.problems, self._keeper.kubelet_hard_eviction_bytes
        seen = (self._report.version(), problems, kubelet)
        if seen == self._seen:
            return
        self._seen = seen
        report = self._report.read()
        try:
            self._status = report and status_of(report, problems=problems, kubelet_hard_eviction_bytes=kubelet)
        except (AttributeError, TypeError, ValueError) as error:
            self._log.error("Could not read the guard's report, keeping the last one", err=str(error))
            return
        self._hesitate_over((self._status or {}).get("policies"))

    def _hesitate_over(self, policies: object) -> None:
        """Has another policy wait a moment of this node's own, because it comes to all nodes in the same one."""
        if policies != self._policies and self._written:
            self._not_before = time.monotonic() + _share(HESITATION_SECONDS)
        self._policies = policies

    async def _write_if_due(self) -> None:
        node = self._keeper.world.node
        now = time.monotonic()
        if self._status is None or node is None or now < self._not_before:
            return
        if not is_due(self._status, self._written, now):
            return
        status = self._status
        if self._written is None:
            await self._source.apply_node(self._node, node.uid)
        try:
            await self._source.apply_node_status(self._node, status)
        except ApiError as error:
            if error.status == NOT_FOUND:  # somebody deleted it: make it anew with the next attempt
                self._written = None
            raise
        heartbeat = HEARTBEAT_SECONDS - _share(HEARTBEAT_SECONDS / 5)
        self._written = Written(status, time.monotonic(), heartbeat)


def _share(seconds: float) -> float:
    return random.uniform(0, seconds)  # noqa: S311 - spreads load, keeps no secret
