"""What in a node's targets will be a problem when memory runs out, said before it does. Pure."""

from collections.abc import Iterable, Iterator

from oompolicy_agent.explain import amount
from oompolicy_agent.resolve import Target
from oompolicy_api.labels import POLICY_LABEL

__all__ = ["warnings"]

MOST_PROTECTED_PERCENT = 80
"""Of the node's allocatable memory: kills can free no more than the rest."""


def warnings(policy: str, targets: Iterable[Target], allocatable_bytes: int) -> Iterator[str]:
    """One sentence for each thing that a person should see to.

    Critical and static pods, and our own, are on every node and nobody's mistake: where nothing else is, all is well.

    Args:
        policy: its name.
        targets: one for each pod on the node.
        allocatable_bytes: of the node; 0: unknown.
    """
    found = [one for one in targets if one.source != "Critical" and POLICY_LABEL not in one.pod.labels]
    protected = [target for target in found if target.protect]
    if found and all(target.protect == "Always" for target in found):
        yield f"Policy {policy}: nobody on this node may be killed: rules protect all {len(found)} pods that could be"
    promised = sum(target.pod.request_bytes for target in protected)
    if promised * 100 > allocatable_bytes * MOST_PROTECTED_PERCENT > 0:
        yield (
            f"Policy {policy}: protected pods request {amount(promised)} of the {amount(allocatable_bytes)} that this "
            f"node can allocate, more than {MOST_PROTECTED_PERCENT} %: killing all others may free too little"
        )
