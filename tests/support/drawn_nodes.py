"""Nodes as hypothesis draws them: pods and services in all constellations, what was told of them, what is known."""

from hypothesis import strategies as st

from oompolicy_agent.guard.layout import Kind, Place
from oompolicy_agent.guard.snapshot import Facts
from oompolicy_agent.guard.targets import ContainerTarget, HostTarget, PodTarget, Policy, Targets
from oompolicy_agent.model import TieBreak

__all__ = ["nodes"]


@st.composite
def nodes(draw: st.DrawFn) -> tuple[list[Place], Targets, Facts]:
    """A node with pods and services in all constellations."""
    ids = iter(range(2, 1000))
    flag, priority, protect = st.booleans(), st.integers(0, 3), st.sampled_from([None, None, None, "Always", "Request"])
    tree: list[Place] = []
    pods: dict[str, PodTarget] = {}
    hosts: dict[str, HostTarget] = {}
    roles: dict[str, str | None] = {}
    usage: dict[int, int] = {}
    rare = st.sampled_from([False] * 7 + [True])
    for slices in range(draw(st.integers(0, 2))):
        path = f"/slice{slices}"
        tree.append(Place(path, next(ids), Kind.BRANCH, target=path if draw(rare) else "", is_group=draw(rare)))
        for service in range(draw(st.integers(1, 3))):
            name = f"{path}/s{service}"
            target = name if draw(flag) else tree[-1].target if tree[-1].path == path else ""
            tree.append(Place(name, next(ids), Kind.HOST, target=target, is_vital=bool(target) and draw(rare)))
            usage[tree[-1].id] = draw(st.integers(0, 3))
    for place in tree:
        if place.target == place.path:
            guarded = draw(protect)
            hosts[place.path] = HostTarget(place.path, None if guarded else draw(priority), guarded, draw(priority))
    tree.append(Place("/kubepods", next(ids), Kind.TOP, is_group=draw(rare)))
    tree.append(Place("/kubepods/burstable", next(ids), Kind.QOS, is_group=draw(rare)))
    for number in range(draw(st.integers(1, 6))):
        uid = f"p{number}"
        path = f"/kubepods/{'burstable/' if draw(flag) else ''}pod{uid}"
        tree.append(Place(path, next(ids), Kind.POD, uid, is_group=draw(rare)))
        containers: dict[str, ContainerTarget] = {}
        for container in ("a", "b"):
            key = f"{uid}-{container}"
            tree.append(Place(f"{path}/{key}", next(ids), Kind.CONTAINER, uid, key))
            roles[key] = draw(st.sampled_from(["container", "container", "sandbox", None]))
            containers[key] = ContainerTarget(container, key, draw(st.sampled_from([None, 1, 9])), draw(priority))
            if draw(flag):
                usage[tree[-1].id] = draw(st.integers(0, 3))
        if draw(st.sampled_from([True, True, True, False])):
            guarded = draw(protect)
            level, unit = None if guarded else draw(priority), draw(st.sampled_from(["Container", "Pod"]))
            pods[uid] = PodTarget(
                uid, "n", uid, level, guarded, unit, request_bytes=draw(priority), containers=containers
            )
    policy = Policy("mixed", "6f1c", 1, "Enforce", draw(priority), draw(st.sampled_from(TieBreak)))
    young = frozenset(uid for uid in ("p0", "p1", "p2") if draw(flag))
    facts = Facts(roles=roles, young=young, usage=usage, own=frozenset({"p3"}) if draw(rare) else frozenset())
    return tree, Targets(policy, pods, hosts), facts
