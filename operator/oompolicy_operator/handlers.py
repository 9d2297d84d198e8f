"""What kopf calls: an index keeps the policies, events say which of them to look at. Nothing decides here.

All are of kopf's level-triggered kinds, index and event. These keep no progress in the policy, so that the operator
never writes annotations to an object that belongs to its user, and never adds a finalizer.
"""

from typing import cast

import kopf

from oompolicy_api import GROUP, VERSION
from oompolicy_operator.acceptance import accept
from oompolicy_operator.cluster import Cluster
from oompolicy_operator.controller import Controller
from oompolicy_operator.memory import StoredPolicy
from oompolicy_operator.metrics import Metrics
from oompolicy_operator.office import Office
from oompolicy_operator.settings import Settings

__all__ = ["Handlers"]

_POLICIES = (GROUP, VERSION, "oompolicies")

_CRD_RETRY_SECONDS = 2.0
_NEVER_SEEN = object()


class Handlers:
    """The handlers, with the office that they tell."""

    def __init__(self, cluster: Cluster, settings: Settings, metrics: Metrics) -> None:
        self._cluster = cluster
        self._settings = settings
        self._metrics = metrics
        self._office: Office | None = None
        self.is_at_work = False
        """Whether the CRDs were there and the cluster is known."""

    def registry(self) -> kopf.OperatorRegistry:
        """A registry with all handlers, each under an id of its own that outlives a change of its function's name."""
        registry = kopf.OperatorRegistry()
        kopf.on.login(id="login", registry=registry)(kopf.login_via_client)
        kopf.on.startup(id="wait-for-crds", registry=registry)(self.wait_for_crds)
        kopf.on.startup(id="start", registry=registry)(self.start)
        kopf.on.cleanup(id="stop", registry=registry)(self.stop)
        kopf.index(*_POLICIES, id="policies", registry=registry)(index_policy)
        kopf.on.event(*_POLICIES, id="policy-seen", registry=registry)(self.policy_seen)
        return registry

    async def wait_for_crds(self, **_: object) -> None:
        """Holds everything back until the CRDs are served: kopf looks for its kinds only once."""
        if not await self._cluster.has_policies_kind():
            raise kopf.TemporaryError(f"no API {GROUP}/{VERSION}: install the CRDs", delay=_CRD_RETRY_SECONDS)

    async def start(self, **kwargs: object) -> None:
        """Learns the cluster. kopf waits for that, and fills its index, before it sends the first event."""
        policies = cast("kopf.Index[str, StoredPolicy]", kwargs["policies"])
        self._office = Office(self._cluster, self._settings, self._metrics, policies)
        await self._office.open()
        self.is_at_work = True

    async def stop(self, **_: object) -> None:
        """Ends all work."""
        if self._office:
            await self._office.close()

    @property
    def controller(self) -> Controller:
        """The controller.

        Raises:
            RuntimeError: before start().
        """
        if self._office is None:
            raise RuntimeError("start() has not been called")
        return self._office.controller

    async def policy_seen(self, *, name: str, body: kopf.Body, memo: kopf.Memo, **_: object) -> None:
        """A new spec concerns all policies: it may override others or set them free. A new status concerns its own.

        That it is gone, the office knows by itself.
        """
        meta = body["metadata"]
        if _is_new(memo, (meta["generation"], meta.get("deletionTimestamp"))):
            self.controller.everything_changed()
        self.controller.policies_changed([name])


def index_policy(body: kopf.Body, **_: object) -> dict[str, StoredPolicy]:
    """By name."""
    return {body["metadata"]["name"]: StoredPolicy(accept(body), int(body["metadata"]["resourceVersion"]))}


def _is_new(memo: kopf.Memo, value: object) -> bool:
    """Whether an object says something else than the last time; kopf keeps a `memo` for each object."""
    before, memo["seen"] = memo.get("seen", _NEVER_SEEN), value
    return bool(before != value)
