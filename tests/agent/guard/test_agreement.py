"""Whether the policy would have chosen as the kernel did."""

import pytest

from oompolicy_agent.guard.agreement import agreed
from oompolicy_agent.guard.kernel_kills import KernelKill
from oompolicy_agent.guard.layout import Kind, Place
from oompolicy_agent.guard.order import classes
from oompolicy_agent.guard.snapshot import Facts
from oompolicy_agent.guard.targets import ContainerTarget, HostTarget, PodTarget, Policy, Targets

TOP = Place("/kubepods", 1, Kind.TOP)


def pod(name: str, priority: int | None, **order: int) -> tuple[list[Place], PodTarget]:
    """A pod with a container `main` and one for each in `order`; None: protected."""
    base = sum(name.encode()) * 10
    path = f"/kubepods/pod{name}"
    names = ["main", *order]
    containers = {f"{name}-{one}": ContainerTarget(one, f"{name}-{one}", order.get(one)) for one in names}
    places = [Place(path, base, Kind.POD, name)]
    places += [
        Place(f"{path}/{name}-{one}", base + number, Kind.CONTAINER, name, f"{name}-{one}")
        for number, one in enumerate(names, 1)
    ]
    return places, PodTarget(
        name, "shop", name, priority, None if priority is not None else "Always", containers=containers
    )


LOW, MIDDLE, HIGH, SAFE = pod("low", 10), pod("mid", 100), pod("high", 900, exporter=10), pod("safe", None)
HOST = (
    Place("/system.slice", 5, Kind.BRANCH, target=""),
    Place("/system.slice/job", 6, Kind.HOST, target="/system.slice/job"),
)
PODS = (LOW, MIDDLE, HIGH, SAFE)
TREE = [TOP, *(place for places, _ in PODS for place in places)]
TARGETS = Targets(Policy("p", "u", 1, "Enforce"), {target.uid: target for _, target in PODS})


def verdict(
    who: tuple[list[Place], PodTarget], domain: str = "/", *, container: str | None = None, empty: str = "\0"
) -> bool | None:
    """Of a kill in that pod; in memcgs whose path has `empty` in it nobody lives."""
    place = who[0][0]
    found = next((one for one in who[0] if one.container_id == container), None)
    kill = KernelKill(place, found, 1, place.path if domain == "own" else domain)
    roles = {one.container_id: "container" for one in TREE if one.container_id}
    order = classes(TREE, TARGETS, Facts(roles=roles))
    return agreed(kill, order, TARGETS, lambda path: empty not in path)


@pytest.mark.parametrize(
    ("who", "would_too"),
    [
        pytest.param(LOW, True, id="the-least-important"),
        pytest.param(MIDDLE, False, id="somebody-who-comes-later"),
        pytest.param(SAFE, False, id="somebody-protected"),
    ],
)
def test_nobody_less_important_lived(who: tuple[list[Place], PodTarget], would_too: bool) -> None:
    assert verdict(who) is would_too


def test_who_is_gone_could_not_have_died_instead() -> None:
    assert verdict(MIDDLE, empty="podlow") is True


def test_outside_the_domain_nobody_could_have_died_instead() -> None:
    """S29: a shortage of the pods is none of the host's."""
    tree = [*HOST, *TREE]
    targets = Targets(TARGETS.policy, TARGETS.pods, {"/system.slice/job": HostTarget("/system.slice/job", -50)})
    roles = {one.container_id: "container" for one in tree if one.container_id}
    order = classes(tree, targets, Facts(roles=roles))
    killed = LOW[0][0]
    assert agreed(KernelKill(killed, None, 1, "/kubepods"), order, targets, lambda _: True) is True
    assert agreed(KernelKill(killed, None, 1, "/"), order, targets, lambda _: True) is False


def test_of_somebody_unknown_nobody_can_say() -> None:
    assert agreed(KernelKill(None, None, 1, "/"), [], TARGETS, lambda _: True) is None


@pytest.mark.parametrize(
    ("container", "would_too"),
    [
        pytest.param("high-exporter", True, id="the-first-of-its-containers"),
        pytest.param("high-main", None, id="one-without-an-order"),
        pytest.param(None, None, id="nobody-knows-which"),
    ],
)
def test_at_its_own_limit_the_order_of_the_containers_counts(container: str | None, would_too: bool | None) -> None:
    assert verdict(HIGH, "own", container=container) is would_too


def test_the_only_container_was_the_right_one() -> None:
    assert verdict(LOW, "own", container="low-main") is True
