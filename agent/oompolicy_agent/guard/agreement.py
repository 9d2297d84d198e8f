"""Says of a kill by the kernel whether the policy would have chosen there, too. Pure."""

from collections.abc import Callable, Sequence

from oompolicy_agent.guard.kernel_kills import KernelKill
from oompolicy_agent.guard.layout import Place
from oompolicy_agent.guard.order import Class
from oompolicy_agent.guard.targets import Targets

__all__ = ["agreed"]


def agreed(
    kill: KernelKill, classes: Sequence[Class], targets: Targets, is_populated: Callable[[str], bool | None]
) -> bool | None:
    """Whether nobody less important could have died instead; None: nobody can say.

    By priority only: what the dead had used is not known any more.

    Args:
        kill: what the kernel did.
        classes: of everybody who could have died, first to die first.
        targets: what the node was told.
        is_populated: whether somebody lives in a memcg.
    """
    if kill.pod is None:
        return None
    if kill.is_own_limit:
        return _agreed_in_pod(kill, classes, targets, is_populated)
    before = [leaf for one in classes[: _rank(kill.pod, classes)] for leaf in one.leaves]
    return not any(is_populated(leaf.path) for leaf in before if _is_in(leaf, kill.domain))


def _agreed_in_pod(
    kill: KernelKill, classes: Sequence[Class], targets: Targets, is_populated: Callable[[str], bool | None]
) -> bool | None:
    """At its own limit a pod loses by the order of its containers, protected or not."""
    pod = targets.pods.get(kill.pod.pod_uid) if kill.pod else None
    if pod is None or kill.container is None:
        return None
    orders = {key: container.priority for key, container in pod.containers.items() if container.priority is not None}
    mine = orders.get(kill.container.container_id)
    siblings = [leaf for one in classes for leaf in one.leaves if leaf.pod_uid == pod.uid and leaf != kill.container]
    if mine is None or not siblings:
        return None if siblings else True
    others = [orders[leaf.container_id] for leaf in siblings if leaf.container_id in orders and is_populated(leaf.path)]
    return all(mine <= other for other in others)


def _rank(pod: Place, classes: Sequence[Class]) -> int:
    """Which class the pod is of; after all of them if it is protected."""
    return next((rank for rank, one in enumerate(classes) if pod.path in one.places), len(classes))


def _is_in(leaf: Place, domain: str) -> bool:
    return leaf.path.startswith(domain.rstrip("/") + "/")
