"""Pods that somebody else is ending (a deletion, an eviction through the API): their memory is on its way.

Each is waited for once, within the bounds of a victim of ours, and not at all when there is no time: it may be one that
takes long to shut down, and it is never hurried. Kubelet's own evictions cannot be seen before SIGKILL: kubelet tells
the API when the containers have stopped (mergePodStatus in pkg/kubelet/status).
"""

import time
from collections.abc import Iterator

from oompolicy_agent.guard.census import Census
from oompolicy_agent.guard.execution import Execution, Means, Prey
from oompolicy_agent.guard.kill import Party
from oompolicy_agent.guard.layout import Place
from oompolicy_agent.guard.ledger import drafted
from oompolicy_agent.guard.snapshot import is_container
from oompolicy_agent.guard.support import BACKEND
from oompolicy_agent.guard.targets import Policy, Targets
from oompolicy_agent.guard.watch import Shortage

__all__ = ["Departures"]


class Departures:
    """Remembers which pods have had their time."""

    def __init__(self, census: Census, means: Means) -> None:
        self._census = census
        self._means = means
        self._seen: set[str] = set()

    def next(self, shortage: Shortage, targets: Targets, policy: Policy) -> tuple[str, Execution] | None:
        """The pod to wait for before anybody is killed in this domain, as `namespace/name`, and the wait for it."""
        self._seen &= targets.pods.keys()
        below = shortage.domain.rstrip("/") + "/"
        for place in self._census.pods:
            pod = targets.pods.get(place.pod_uid)
            if pod is None or not pod.is_terminating or pod.uid in self._seen or not place.path.startswith(below):
                continue
            self._seen.add(pod.uid)
            if paths := tuple(self._populated(place, targets)):
                return f"{pod.namespace}/{pod.name}", self._wait(shortage, policy, place, paths)
        return None

    def _populated(self, pod: Place, targets: Targets) -> Iterator[str]:
        """Its containers that hold somebody; the sandbox stays until they have gone."""
        roles = self._census.facts(time.monotonic()).roles
        for place in self._census.tree:
            is_inside = place.pod_uid == pod.pod_uid and is_container(place, targets, roles)
            if is_inside and self._means.cgroups.is_populated(place.path):
                yield place.path

    def _wait(self, shortage: Shortage, policy: Policy, pod: Place, paths: tuple[str, ...]) -> Execution:
        usage = sum(self._means.cgroups.current(path) or 0 for path in paths)
        prey = Prey(paths, pod.path, Party((), ()), usage, is_ending=True)
        draft = drafted(shortage, policy, None, BACKEND)
        return Execution(self._means, prey, draft, shortage.since, shortage.sample.margin)
