"""Looks after OOMDecisions: evicts the pods that they ask for, and deletes old ones. Agents may do neither."""

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime

from oompolicy_operator.cluster import Cluster
from oompolicy_operator.decisions import EVICTED, Kept, Verdict, answered, condition, judge, surplus
from oompolicy_operator.errors import ApiRefusedError, ApiUnavailableError
from oompolicy_operator.metrics import Metrics
from oompolicy_operator.settings import DecisionSettings
from oompolicy_operator.workqueue import WorkQueue

__all__ = ["Archive"]

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 60.0
MOST_SWEPT = 200
"""In one sweep, so that it never is a storm."""
RETRY_SECONDS = 20.0
"""While a PodDisruptionBudget forbids the eviction."""


class Archive:
    """The decisions in `kept`, by name."""

    def __init__(
        self, cluster: Cluster, kept: Mapping[str, Kept], settings: DecisionSettings, metrics: Metrics
    ) -> None:
        self.queue = WorkQueue(self.evict, what="decision", settle_seconds=0, timed=metrics.timed("decision"))
        self._evictions = metrics.evictions
        self._cluster = cluster
        self._kept = kept
        self._settings = settings

    def decision_seen(self, name: str) -> None:
        """Has its pod evicted, if that is what it asks for."""
        if (decision := self._kept.get(name)) and decision.wants_eviction:
            self.queue.add(name)

    async def evict(self, name: str) -> None:
        """Tries once; raises ApiUnavailableError to be called again."""
        decision = self._kept.get(name)
        if decision is None or not decision.wants_eviction:
            return
        now = datetime.now(UTC)
        verdict = await self._try(decision, now)
        await self._cluster.write_decision_status(
            self._settings.namespace, name, decision.uid, condition(verdict, decision.before, now)
        )
        self._evictions.labels(verdict.reason).inc()
        keys = {"decision": name, "pod": f"{decision.namespace}/{decision.pod}", "reason": verdict.reason}
        logger.info("Tried to evict pod: %s", verdict.message, extra=keys)
        if not verdict.is_final:
            raise ApiUnavailableError("evict pod", verdict.message, delay=RETRY_SECONDS)

    async def sweep_for_ever(self) -> None:
        """Deletes old decisions, once a minute."""
        while True:
            try:
                await self.sweep()
            except (ApiRefusedError, ApiUnavailableError) as error:
                logger.warning("Could not delete old decisions", extra={"err": str(error)})
            await asyncio.sleep(SWEEP_SECONDS)

    async def sweep(self) -> None:
        """Deletes some of those that are too old or too many."""
        settings = self._settings
        names = surplus(self._kept.values(), now=datetime.now(UTC), keep=settings.keep, most_days=settings.days)[
            :MOST_SWEPT
        ]
        for name in names:
            await self._cluster.delete_decision(settings.namespace, name)
        if names:
            logger.info("Deleted old decisions", extra={"count": len(names)})

    async def _try(self, decision: Kept, now: datetime) -> Verdict:
        found = await self._cluster.pod(decision.namespace, decision.pod)
        if objection := judge(decision, found, now):
            return objection
        try:
            await self._cluster.evict(decision.namespace, decision.pod, decision.pod_uid)
        except ApiRefusedError as refusal:
            return answered(refusal.status, refusal.answer)
        return Verdict(EVICTED, f"Evicted pod {decision.namespace}/{decision.pod}, as the decision asks")
