"""Publishes what the guard decided: an OOMDecision, an Event on each victim, and one line in the log.

Of two agents on one node only the one in the pod of the guard that holds the host's lock publishes.
"""

import asyncio
from pathlib import Path
from typing import Any

from structlog.typing import FilteringBoundLogger

from oompolicy_agent.sync.decisions import decision_for
from oompolicy_agent.sync.events import event_for
from oompolicy_agent.sync.guard_report import POLL_SECONDS, GuardReport
from oompolicy_agent.sync.journal import Journal, Position, Record, load_position, save_position
from oompolicy_agent.sync.metrics import Metrics
from oompolicy_agent.sync.retry import Delays
from oompolicy_agent.sync.source import ApiError, Source

__all__ = ["Publisher"]

NOT_FOUND = 404
CONFLICT = 409
NEVER_ACCEPTED = (400, 413, 422)


class Publisher:
    """Publishes the journal's decisions in their order, each at least once, and keeps its place in `position_path`.

    OOMDecisions go to `namespace`; if that is empty there are none.
    """

    def __init__(
        self,
        source: Source,
        report: GuardReport,
        journal: Journal,
        *,
        position_path: Path,
        node: str,
        namespace: str,
        log: FilteringBoundLogger,
        metrics: Metrics | None = None,
    ) -> None:
        self._source = source
        self._report = report
        self._journal = journal
        self._position_path = position_path
        self._node = node
        self._namespace = namespace
        self._log = log
        self._metrics = metrics

    async def run(self) -> None:
        """Publishes whatever the guard decides, for ever."""
        seen = None
        while True:
            state = self._journal.state()
            if state not in (None, seen) and self._report.read() is not None:
                await self._publish_all()
                seen = state
            await asyncio.sleep(POLL_SECONDS)

    async def _publish_all(self) -> None:
        start = after = load_position(self._position_path)
        for record in self._journal.records(start):
            if await self._publish(record):
                self._save(record.after)
            after = record.after
        if after != start:
            self._save(after)

    def _save(self, position: Position) -> None:
        try:
            save_position(self._position_path, position)
        except OSError as error:  # what is published twice has the same name, so nothing is seen twice
            self._log.warning("Could not keep the place in the journal", path=str(self._position_path), err=str(error))

    async def _publish(self, record: Record) -> bool:
        """Whether there was something to publish."""
        if record.content is None:
            self._log.error("Skipped a journal line that is no JSON object", offset=record.after.offset)
            return False
        try:
            objects = self._objects(record.content)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            self._log.error("Skipped a journal record that is not as agent/README.md says", err=repr(error))
            return False
        for body in objects:
            delays = Delays()
            while not await self._sent(body, record.content):  # noqa: ASYNC110 - another machine sets no Event here
                await asyncio.sleep(delays.following())
        self._log.info("Published decision", **_keys(record.content))
        if self._metrics:
            self._metrics.published(record.content)
        return True

    def _objects(self, content: dict[str, Any]) -> list[dict[str, Any]]:
        """The record as an object, and the Event on the victim if it is a pod."""
        event = event_for(content, self._node)
        decision = decision_for(content, self._node, self._namespace) if self._namespace else None
        return [body for body in (decision, event) if body]

    async def _sent(self, body: dict[str, Any], content: dict[str, Any]) -> bool:
        """Whether the object is done with: created, there already, or not to be had."""
        keys = {"kind": body["kind"], **_keys(content)}
        try:
            await self._source.create(body)
        except ApiError as error:
            if error.status == CONFLICT:
                return True
            gone = error.status == NOT_FOUND or "NamespaceTerminating" in error.causes
            if gone or error.status in NEVER_ACCEPTED:
                self._log.warning("Dropped decision", err=str(error), **keys)
                return True
            self._log.warning("Could not publish decision, trying again", err=str(error), **keys)
            return False
        return True


def _keys(decision: dict[str, Any]) -> dict[str, Any]:
    """What identifies a decision in a log line, by klog's names."""
    victim = decision.get("victim") or {}
    pod = f"{victim.get('namespace')}/{victim.get('pod')}" if victim.get("pod") else None
    policy = (decision.get("policy") or {}).get("name")
    return {
        "id": decision.get("id"),
        "pod": pod,
        "container": victim.get("container"),
        "policy": policy,
        "outcome": decision.get("outcome"),
    }
