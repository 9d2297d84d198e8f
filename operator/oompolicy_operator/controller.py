"""Does what `reconcile` says: one policy at a time, as often as something about it has changed."""

import logging
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

from oompolicy_api.policy import OOMPolicy, OOMPolicyStatus
from oompolicy_operator.acceptance import Rejection
from oompolicy_operator.cluster import Cluster
from oompolicy_operator.errors import ApiRefusedError, ApiUnavailableError
from oompolicy_operator.memory import Memory, StoredPolicy
from oompolicy_operator.metrics import Metrics
from oompolicy_operator.reconcile import Notice, Wanted, daemon_set_to_apply, reconcile
from oompolicy_operator.settings import AgentSettings
from oompolicy_operator.workqueue import WorkQueue

__all__ = ["Controller"]

logger = logging.getLogger(__name__)

_GONE = (404, 409)
"""What a write to a policy's status gets when the policy was deleted, or replaced by another one of its name."""


class Controller:
    """Keeps DaemonSets and statuses as they should be, for every policy whose name is put into `queue`."""

    def __init__(self, cluster: Cluster, memory: Memory, agent: AgentSettings, metrics: Metrics) -> None:
        self.cluster = cluster
        self.memory = memory
        self.queue = WorkQueue(self.reconcile, timed=metrics.timed("policy"))
        self._agent = agent
        self._written: dict[str, tuple[int, OOMPolicyStatus]] = {}

    def policies_changed(self, names: Iterable[str]) -> None:
        """Has the policies with these names looked at soon."""
        for name in names:
            self.queue.add(name)

    def everything_changed(self) -> None:
        """Has all policies looked at soon."""
        self.policies_changed(self.memory.policies)

    async def reconcile(self, name: str) -> None:
        """Makes everything about the policy with this name as it should be, once; what the queue calls."""
        stored = self.memory.policy(name)
        if stored is None:
            self._written.pop(name, None)
            return
        policy = self._with_own_last_status(name, stored)
        refusal = await self._apply_daemon_set(name, policy)
        problem = refusal.answer if refusal else ""
        wanted = reconcile(policy, self.memory.observed(name), now=datetime.now(UTC), problem=problem)
        await self._write(name, stored.uid, wanted)
        if refusal:
            raise refusal

    def _with_own_last_status(self, name: str, stored: StoredPolicy) -> OOMPolicy | Rejection:
        """The policy; with the status that we wrote last, if the watch has not brought that back yet."""
        policy = stored.policy
        version, status = self._written.get(name, (0, policy.status))
        if version <= stored.resource_version:
            return policy
        if isinstance(policy, Rejection):
            return replace(policy, status=status)
        return policy.model_copy(update={"status": status})

    async def _apply_daemon_set(self, name: str, policy: OOMPolicy | Rejection) -> ApiRefusedError | None:
        """Writes the DaemonSet if it is not as it should be; returns the API server's refusal, if it refuses."""
        manifest = daemon_set_to_apply(policy, self.memory.daemon_set_of(name), self._agent)
        if manifest is None:
            return None
        try:
            await self.cluster.apply_daemon_set(manifest)
        except ApiRefusedError as refusal:
            return refusal
        logger.info("Applied DaemonSet", extra={"policy": name, "daemonSet": manifest["metadata"]["name"]})
        return None

    async def _write(self, name: str, uid: str, wanted: Wanted) -> None:
        if wanted.status is None:
            return
        try:
            version = await self.cluster.write_status(name, uid, wanted.status)
        except ApiRefusedError as refusal:
            if refusal.status not in _GONE:
                raise
            return
        self._written[name] = (version, wanted.status)
        _log(name, wanted.status)
        for notice in wanted.notices:
            await self._post(name, uid, notice)

    async def _post(self, name: str, uid: str, notice: Notice) -> None:
        """Posts an Event. One that cannot be posted is lost: the conditions say the same, and stay."""
        try:
            await self.cluster.post_event(name, uid, notice, now=datetime.now(UTC))
        except (ApiRefusedError, ApiUnavailableError) as error:
            logger.warning("Could not post Event", extra={"policy": name, "reason": notice.reason, "err": str(error)})


def _log(name: str, status: OOMPolicyStatus) -> None:
    ready = status.conditions[-1]
    keys = {"policy": name, "ready": ready.status, "reason": ready.reason, "generation": status.observed_generation}
    logger.info("Changed status: %s", ready.message, extra=keys)
