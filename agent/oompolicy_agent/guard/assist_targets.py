"""What the BPF program is told of each memcg, so that it chooses as a snapshot of the same node would have it. Pure.

Whatever changes from moment to moment (how much is used, whether anybody is in it) the program sees for itself.
"""

from collections.abc import Sequence

from oompolicy_agent.guard.assist_abi import NO_FLAG, Flag, Target
from oompolicy_agent.guard.layout import LEAVES, Kind, Place
from oompolicy_agent.guard.snapshot import Facts, host_target, is_container, snapshot_of
from oompolicy_agent.guard.targets import Targets
from oompolicy_agent.model import Memcg

__all__ = ["TargetsByPod", "assist_targets"]


class TargetsByPod:
    """The map's content of a node that changes: each time, only the pods that have changed are looked at."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[object, dict[int, Target]]] = {}
        """By pod uid, and under the empty one for all that is no pod's: what it was made from, and what was made."""

    def targets(self, tree: Sequence[Place], targets: Targets, facts: Facts) -> dict[int, Target]:
        """As `assist_targets`."""
        groups: dict[str, list[Place]] = {}
        for place in tree:
            groups.setdefault(place.pod_uid, []).append(place)
        before, self._known = self._known, {}
        for uid, places in groups.items():
            made_from = _inputs(uid, places, targets, facts)
            known = before.get(uid)
            same = known is not None and known[0] == made_from
            self._known[uid] = known if known and same else (made_from, assist_targets(places, targets, facts))
        return {id_: target for _, made in self._known.values() for id_, target in made.items()}


def assist_targets(tree: Sequence[Place], targets: Targets, facts: Facts) -> dict[int, Target]:
    """The map's content, by memcg id.

    Args:
        tree: all that is on the node.
        targets: what the node was told.
        facts: with every container in `unread`, as before anything is measured.
    """
    places = {place.path: place for place in tree}
    memcgs = snapshot_of(tree, targets, facts, "/").cgroups
    return {memcg.id: _target(memcg, places[memcg.path], targets, facts) for memcg in memcgs}


def _inputs(uid: str, places: list[Place], targets: Targets, facts: Facts) -> object:
    """All that the targets of one pod's memcgs, or of those that are no pod's, depend on."""
    default = targets.policy and targets.policy.default_priority
    unread = [place.id in facts.unread for place in places]
    common = default, places, unread, facts.excluded, facts.futile
    if not uid:
        return *common, targets.host_cgroups
    roles = [facts.roles.get(place.container_id) for place in places]
    return *common, targets.pods.get(uid), roles, uid in facts.young, uid in facts.own


def _target(memcg: Memcg, place: Place, targets: Targets, facts: Facts) -> Target:
    flags = _protection(memcg, place, targets, facts)
    if memcg.priority is not None:
        flags |= Flag.HAS_PRIORITY
    if not memcg.known:
        flags |= Flag.UNKNOWN
    if memcg.unit:
        flags |= Flag.UNIT
    if place.kind is Kind.HOST and host_target(place, targets) is None:
        flags |= Flag.NOBODYS
    if place.kind is Kind.CONTAINER and (pod := targets.pods.get(place.pod_uid)) and pod.unit == "Process":
        flags |= Flag.PROCESS
    if place.kind in LEAVES:
        flags |= _killable(memcg, place, targets, facts)
    else:
        flags |= Flag.PARTS
    return Target(memcg.priority or 0, flags, memcg.request_bytes)


def _protection(memcg: Memcg, place: Place, targets: Targets, facts: Facts) -> Flag:
    """The snapshot was made before anything was measured, so all that keeps to its request is protected in it."""
    if not memcg.protected:
        return NO_FLAG
    is_for_good = place.is_vital or place.pod_uid in facts.own
    if not is_for_good and _protect(place, targets) == "Request":
        return Flag.PROTECTED_TO_REQUEST
    return Flag.PROTECTED


def _protect(place: Place, targets: Targets) -> str | None:
    if place.kind is Kind.POD:
        pod = targets.pods.get(place.pod_uid)
        return pod.protect if pod else None
    host = host_target(place, targets)
    return host.protect if host else None


def _killable(memcg: Memcg, place: Place, targets: Targets, facts: Facts) -> Flag:
    """Of what holds processes: what was excluded uses memory all the same, what is no container counts for nobody."""
    if place.kind is not Kind.HOST and not is_container(place, targets, facts.roles):
        return Flag.UNKILLABLE
    return NO_FLAG if memcg.killable else Flag.EXCLUDED
