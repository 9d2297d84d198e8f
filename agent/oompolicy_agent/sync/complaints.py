"""Tells tenants what is wrong in their pods, by an Event on the pod: once for each pod and fault."""

import asyncio
from datetime import UTC, datetime
from typing import Any, Final

from structlog.typing import FilteringBoundLogger

from oompolicy_agent.resolve import PodProblem
from oompolicy_agent.sync.events import pod_event
from oompolicy_agent.sync.guard_report import POLL_SECONDS, GuardReport
from oompolicy_agent.sync.keeper import Keeper
from oompolicy_agent.sync.source import ApiError, Source

__all__ = ["REASON", "Complaints", "complaint_for"]

REASON: Final = "OOMPolicyOverrideIgnored"
"""The annotation by which a pod says its priority cannot be used."""
MOST_REMEMBERED = 1024
"""What has been told while this program runs. Of a pod that is forgotten the Event is there already, by its name."""
LONGEST_MESSAGE = 1024


class Complaints:
    """Creates the Events for `keeper`'s problems with pods; of two agents on a node only the one that acts does."""

    def __init__(
        self, source: Source, report: GuardReport, keeper: Keeper, *, node: str, log: FilteringBoundLogger
    ) -> None:
        self._source = source
        self._report = report
        self._keeper = keeper
        self._node = node
        self._log = log
        self._told: dict[PodProblem, None] = {}

    async def run(self) -> None:
        """Tells whatever comes up, for ever."""
        while True:
            news = [one for one in self._keeper.plan.pod_problems if one not in self._told]
            if news and self._report.read() is not None:
                for problem in news:
                    await self._tell(problem)
            await asyncio.sleep(POLL_SECONDS)

    async def _tell(self, problem: PodProblem) -> None:
        """An Event that cannot be created is lost: the log has the same words."""
        self._told[problem] = None
        while len(self._told) > MOST_REMEMBERED:
            del self._told[next(iter(self._told))]
        pod = f"{problem.namespace}/{problem.name}"
        self._log.warning("Ignored an override", pod=pod, problem=problem.message)
        try:
            await self._source.create(complaint_for(problem, self._node, datetime.now(UTC)))
        except ApiError as error:
            if error.reason != "AlreadyExists":
                self._log.warning("Could not tell a tenant", pod=pod, err=str(error))


def complaint_for(problem: PodProblem, node: str, now: datetime) -> dict[str, Any]:
    """The Event; its name follows from the pod and the words, so that nothing is said twice."""
    pod = {"apiVersion": "v1", "kind": "Pod", "namespace": problem.namespace, "name": problem.name, "uid": problem.uid}
    message = f"{problem.message[:1].upper()}{problem.message[1:LONGEST_MESSAGE]}"
    said = {"reason": REASON, "action": "Resolve", "message": message}
    return pod_event(pod, said, node, now.isoformat(), once=f"{problem.uid}/{problem.message}")
