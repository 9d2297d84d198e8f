"""Which memcgs have to be measured together, and that a choice among them is the choice of the whole tree."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drawn_nodes import nodes
from oompolicy_agent.guard.layout import Kind, Place
from oompolicy_agent.guard.order import classes
from oompolicy_agent.guard.snapshot import Facts, snapshot_of
from oompolicy_agent.guard.targets import ContainerTarget, HostTarget, PodTarget, Policy, Targets
from oompolicy_agent.select import champion

MIB = 1 << 20
POLICY = Policy("mixed", "6f1c", 1, "Enforce", default_priority=500)
BACKUP = "/system.slice/backup.service"


def host_tree() -> list[Place]:
    """A service with two workers, another service, and a pod with one container."""
    return [
        Place("/system.slice", 2, Kind.BRANCH),
        Place(BACKUP, 3, Kind.BRANCH, target=BACKUP),
        Place(f"{BACKUP}/a", 4, Kind.HOST, target=BACKUP),
        Place(f"{BACKUP}/b", 5, Kind.HOST, target=BACKUP),
        Place("/system.slice/ssh.service", 6, Kind.HOST),
        Place("/kubepods", 7, Kind.TOP),
        Place("/kubepods/podx", 8, Kind.POD, "x"),
        Place("/kubepods/podx/x-main", 9, Kind.CONTAINER, "x", "x-main"),
    ]


def told(*hosts: HostTarget, pod: int = 100) -> Targets:
    main = ContainerTarget("main", "x-main")
    pods = {"x": PodTarget("x", "shop", "x", pod, containers={"x-main": main})}
    return Targets(POLICY, pods, {host.path: host for host in hosts})


KNOWN = Facts(usage={4: 10 * MIB, 5: 20 * MIB, 6: 900 * MIB, 9: 50 * MIB})


def order(tree: list[Place], targets: Targets, facts: Facts = KNOWN, domain: str = "/") -> list[str]:
    """Who dies, repeated until nobody is left."""
    died: list[str] = []
    while first := champion(snapshot_of(tree, targets, facts, domain)):
        died.append(first.path)
        gone = frozenset(place.id for place in tree if place.path.startswith(first.path))
        facts = replace(facts, excluded=facts.excluded | gone)
    return died


def test_a_service_with_a_target_is_a_candidate_by_the_priority_it_inherits() -> None:
    assert order(host_tree(), told(HostTarget(BACKUP, -50))) == [f"{BACKUP}/b", f"{BACKUP}/a", "/kubepods/podx/x-main"]
    assert order(host_tree(), told(HostTarget(BACKUP, 300)))[0] == "/kubepods/podx/x-main"


def test_a_service_without_a_target_is_protected() -> None:
    assert order(host_tree(), told()) == ["/kubepods/podx/x-main"]


def test_nothing_outside_kubepods_is_a_candidate_at_its_own_limit() -> None:
    """S29."""
    assert order(host_tree(), told(HostTarget(BACKUP, -50)), domain="/kubepods") == ["/kubepods/podx/x-main"]


def test_a_nested_target_orders_inside_the_one_above_it() -> None:
    tree = [replace(place, target=place.path) if place.path == f"{BACKUP}/a" else place for place in host_tree()]
    nested = told(HostTarget(BACKUP, 50), HostTarget(f"{BACKUP}/a", 900), HostTarget("/gone", 1))
    assert order(tree, nested) == [f"{BACKUP}/b", f"{BACKUP}/a", "/kubepods/podx/x-main"]


def leaves(tree: list[Place], targets: Targets) -> list[str]:
    """Whom the classes have, first to die first."""
    return [leaf.path for group in classes(tree, targets, KNOWN) for leaf in group.leaves]


def test_a_target_that_only_another_policy_has_is_none() -> None:
    """The tree is listed for both: a worker's nearest target is the other's, a service's is its own."""
    tree = [replace(place, target=place.path) if place.path == f"{BACKUP}/a" else place for place in host_tree()]
    own = told(HostTarget(BACKUP, 50))
    assert order(tree, own) == [f"{BACKUP}/b", f"{BACKUP}/a", "/kubepods/podx/x-main"]
    assert leaves(tree, own) == [f"{BACKUP}/a", f"{BACKUP}/b", "/kubepods/podx/x-main"]
    nested = told(HostTarget(f"{BACKUP}/a", 50))
    assert order(tree, nested) == [f"{BACKUP}/a", "/kubepods/podx/x-main"]
    assert leaves(tree, nested) == [f"{BACKUP}/a", "/kubepods/podx/x-main"]


@pytest.mark.parametrize(
    ("request_mib", "first"),
    [
        pytest.param(30, "/kubepods/podx/x-main", id="up-to-its-request-protected"),
        pytest.param(29, f"{BACKUP}/b", id="beyond-it-with-the-default-priority"),
    ],
)
def test_a_service_protected_up_to_its_request(request_mib: int, first: str) -> None:
    protected = HostTarget(BACKUP, None, "Request", request_mib * MIB)
    assert order(host_tree(), told(protected, pod=600))[0] == first


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"is_vital": True}, id="the-node-needs-it"),
        pytest.param({"target": "/not-told-yet"}, id="its-target-is-not-there-yet"),
    ],
)
def test_what_may_not_be_a_candidate_of_the_host(change: dict[str, object]) -> None:
    tree = [replace(place, **change) if place.id == 5 else place for place in host_tree()]  # type: ignore[arg-type]
    assert order(tree, told(HostTarget(BACKUP, -50))) == [f"{BACKUP}/a", "/kubepods/podx/x-main"]


def test_a_service_whose_death_gave_nothing_back_is_left_alone_and_only_that() -> None:
    facts = replace(KNOWN, futile=frozenset({f"{BACKUP}/b"}))
    assert order(host_tree(), told(HostTarget(BACKUP, -50)), facts)[0] == f"{BACKUP}/a"


@pytest.mark.parametrize("path", [BACKUP, "/kubepods/podx", "/kubepods"])
def test_what_the_kernel_kills_as_one_dies_as_one(path: str) -> None:
    """S8."""
    tree = [replace(place, is_group=place.path == path) for place in host_tree()]
    found = order(tree, told(HostTarget(BACKUP, -50)))
    assert path in found
    assert not [other for other in found if other.startswith(path + "/")]


def test_what_the_kernel_kills_as_one_is_spared_as_a_whole_for_its_vital_part() -> None:
    tree = [replace(place, is_group=place.path == BACKUP, is_vital=place.id == 4) for place in host_tree()]
    assert order(tree, told(HostTarget(BACKUP, -50))) == ["/kubepods/podx/x-main"]


@pytest.mark.parametrize("unit", ["Container", "Pod"])
def test_a_pod_without_containers_is_no_victim(unit: str) -> None:
    targets = told(pod=1)
    targets.pods["gone"] = PodTarget("gone", "shop", "gone", 0, unit=unit)
    assert order([*host_tree(), Place("/kubepods/podgone", 20, Kind.POD, "gone")], targets) == ["/kubepods/podx/x-main"]


def test_services_and_pods_of_one_priority_are_one_class() -> None:
    (only,) = classes(host_tree(), told(HostTarget(BACKUP, 100)), Facts())
    assert [leaf.path.rpartition("/")[2] for leaf in only.leaves] == ["a", "b", "x-main"]
    assert "/system.slice/ssh.service" not in only.places


@settings(max_examples=300, deadline=None)
@given(nodes(), st.sampled_from(["/", "/kubepods"]))
def test_the_first_class_with_a_candidate_has_the_choice_of_the_whole_tree(
    node: tuple[list[Place], Targets, Facts], domain: str
) -> None:
    tree, targets, facts = node
    whole = champion(snapshot_of(tree, targets, facts, domain))
    found = None
    for one in classes(tree, targets, facts):
        measured = {leaf.id for leaf in one.leaves}
        known = replace(facts, usage={key: size for key, size in facts.usage.items() if key in measured})
        found = champion(snapshot_of(list(one.places.values()), targets, known, domain))
        if found:
            break
    assert (found and (found.path, found.dies)) == (whole and (whole.path, whole.dies))
