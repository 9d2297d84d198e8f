"""What is on the node, joined with what the node was told."""

from dataclasses import replace

import pytest

from oompolicy_agent.guard.layout import Kind, Place
from oompolicy_agent.guard.order import classes
from oompolicy_agent.guard.snapshot import Facts, mapped, snapshot_of, untold
from oompolicy_agent.guard.targets import ContainerTarget, PodTarget, Policy, Targets
from oompolicy_agent.model import Memcg, TieBreak
from oompolicy_agent.select import select

MIB = 1 << 20
HASH = "8f14e45fceea167a5a36dedd4bea2543"
POLICY = Policy("mixed", "6f1c", 1, "Enforce", default_priority=500)


def tree(*pods: str) -> list[Place]:
    """Pods with a container `<pod>-main` and a sandbox `<pod>-pause` each, beside a service of the host."""
    places = [Place("/system.slice", 2, Kind.HOST), Place("/kubepods", 3, Kind.TOP)]
    for number, pod in enumerate(pods, start=1):
        path = f"/kubepods/pod{pod}"
        places += [
            Place(path, number * 10, Kind.POD, pod),
            Place(f"{path}/{pod}-main", number * 10 + 1, Kind.CONTAINER, pod, f"{pod}-main"),
            Place(f"{path}/{pod}-pause", number * 10 + 2, Kind.CONTAINER, pod, f"{pod}-pause"),
        ]
    return places


def target(pod: str, priority: int | None = None, protect: str | None = None, **more: object) -> PodTarget:
    main = ContainerTarget("main", f"{pod}-main")
    told = PodTarget(pod, "shop", pod, priority, protect, containers={main.id: main})
    return replace(told, **more)  # type: ignore[arg-type]  # what a test changes it names


def targets(*pods: PodTarget) -> Targets:
    return Targets(POLICY, {pod.uid: pod for pod in pods})


def facts(*pods: str, usage: int = 100 * MIB, young: frozenset[str] = frozenset()) -> Facts:
    """Everybody is populated, of the same usage, and the runtime has said who is who."""
    return Facts(
        roles={f"{pod}-{role}": kind for pod in pods for role, kind in (("main", "container"), ("pause", "sandbox"))},
        young=young,
        usage={number * 10 + 1: usage for number, _ in enumerate(pods, start=1)},
    )


def memcgs(places: list[Place], told: Targets, known: Facts) -> dict[str, Memcg]:
    snapshot = snapshot_of(places, told, known, "/")
    return {memcg.path.removeprefix("/kubepods/"): memcg for memcg in snapshot.cgroups}


def order(places: list[Place], told: Targets, known: Facts, domain: str = "/") -> list[str]:
    return [candidate.path.rpartition("/")[2] for candidate in select(snapshot_of(places, told, known, domain)).order]


def test_orders_pods_by_their_targets() -> None:
    told = targets(target("a", 900), target("b", 10), target("c", 100))
    assert order(tree("a", "b", "c"), told, facts("a", "b", "c")) == ["b-main", "c-main", "a-main"]


def test_takes_default_priority_and_tie_break_from_the_policy() -> None:
    policy = replace(POLICY, tie_break=TieBreak.NEWEST)
    snapshot = snapshot_of([], Targets(policy), Facts(), "/kubepods")
    assert (snapshot.domain, snapshot.default_priority, snapshot.tie_break) == ("/kubepods", 500, TieBreak.NEWEST)


def test_a_service_of_the_host_is_protected() -> None:
    assert memcgs(tree(), targets(), Facts())["/system.slice"].protected


def test_a_sandbox_is_never_a_candidate_even_if_it_is_populated_and_lowest() -> None:
    known = facts("a")
    known = replace(known, usage={11: MIB, 12: 900 * MIB})
    assert order(tree("a"), targets(target("a", -5)), known) == ["a-main"]


def test_a_sandbox_is_spared_but_not_protected() -> None:
    pause = memcgs(tree("a"), targets(target("a", 5)), facts("a"))["poda/a-pause"]
    assert (pause.killable, pause.protected) == (False, False)


def test_a_helper_of_the_runtime_is_never_a_candidate() -> None:
    places = [*tree("a"), Place("/kubepods/poda/crio-conmon-x", 13, Kind.HELPER, "a", "conmon-x")]
    known = facts("a")
    known = replace(
        known, usage=dict(known.usage) | {13: 900 * MIB}, roles=dict(known.roles) | {"conmon-x": "container"}
    )
    assert order(places, targets(target("a", 5)), known) == ["a-main"]


def test_without_the_runtimes_word_the_api_servers_counts() -> None:
    known = replace(facts("a", "b"), roles={})
    told = targets(target("a", 5), target("b", 5, containers={}))
    assert order(tree("a", "b"), told, known) == ["a-main"]


def test_what_nobody_vouches_for_is_left_alone() -> None:
    known = replace(facts("a"), roles={})
    assert order(tree("a"), targets(), known) == []


def test_an_empty_memcg_is_no_candidate() -> None:
    known = replace(facts("a", "b"), usage={21: MIB})
    assert order(tree("a", "b"), targets(target("a", 1), target("b", 5)), known) == ["b-main"]


def test_whoever_would_not_die_or_gave_nothing_back_is_passed_over() -> None:
    told = targets(target("a", 1), target("b", 2), target("c", 3))
    known = replace(facts("a", "b", "c"), excluded=frozenset({11}), futile=frozenset({"b"}))
    assert order(tree("a", "b", "c"), told, known) == ["c-main"]


@pytest.mark.parametrize(
    ("young", "expected"),
    [
        pytest.param(frozenset({"a", "b"}), ["b-main", "a-main"], id="at-first-after-all-who-are-known"),
        pytest.param(frozenset[str](), ["a-main", "b-main"], id="then-with-the-default-priority"),
    ],
)
def test_a_pod_nobody_told_us_about(young: frozenset[str], expected: list[str]) -> None:
    assert order(tree("a", "b"), targets(target("b", 900)), facts("a", "b", young=young)) == expected


def test_a_new_container_of_a_known_pod_inherits_its_priority() -> None:
    told = targets(target("a", 5, containers={}), target("b", 6))
    assert order(tree("a", "b"), told, facts("a", "b")) == ["a-main", "b-main"]


def test_a_static_pod_is_protected_from_the_start() -> None:
    assert memcgs(tree(HASH), targets(), facts(HASH))[f"pod{HASH}"].protected


def test_a_static_pod_with_a_target_goes_by_it() -> None:
    assert order(tree(HASH), targets(target(HASH, 5)), facts(HASH)) == [f"{HASH}-main"]


def test_the_guards_own_pod_is_protected_whatever_its_target_says() -> None:
    known = replace(facts("a", "b"), own=frozenset({"a"}))
    assert order(tree("a", "b"), targets(target("a", 1), target("b", 5)), known) == ["b-main"]


def test_a_protected_pod_is_never_a_candidate() -> None:
    told = targets(target("a", protect="Always"), target("b", 5))
    assert order(tree("a", "b"), told, facts("a", "b")) == ["b-main"]


@pytest.mark.parametrize(
    ("request_bytes", "expected"),
    [
        pytest.param(100 * MIB, ["b-main"], id="up-to-its-request-protected"),
        pytest.param(100 * MIB - 1, ["a-main", "b-main"], id="beyond-it-with-the-default-priority"),
    ],
)
def test_protection_up_to_the_request(request_bytes: int, expected: list[str]) -> None:
    told = targets(target("a", protect="Request", request_bytes=request_bytes), target("b", 600))
    assert order(tree("a", "b"), told, facts("a", "b")) == expected


def test_a_containers_priority_orders_it_inside_its_pod_only() -> None:
    """S31."""
    exporter = ContainerTarget("exporter", "a-pause", priority=10)
    told = target("a", 100)
    told = replace(told, containers=told.containers | {"a-pause": exporter})
    known = facts("a", "b")
    known = replace(known, roles=dict(known.roles) | {"a-pause": "container"}, usage=dict(known.usage) | {12: MIB})
    assert order(tree("a", "b"), targets(told, target("b", 50)), known) == ["b-main", "a-pause", "a-main"]


def test_a_pod_that_dies_as_one_leaves_its_sandbox() -> None:
    """S33."""
    snapshot = snapshot_of(tree("a"), targets(target("a", 10, unit="Pod")), facts("a"), "/")
    (candidate,) = select(snapshot).order
    assert candidate.path == "/kubepods/poda"
    assert candidate.dies == ("/kubepods/poda/a-main",)
    assert candidate.memcg.usage_bytes == 100 * MIB


def test_counts_how_well_targets_and_node_fit() -> None:
    told = targets(target("a", 5), target("gone", 5))
    found = mapped(tree("a", "stranger", HASH), told, facts("a", "stranger", HASH))
    assert (found.targets_mapped, found.pods_without_cgroup, found.unknown_leaves) == (2, 1, 1)


def test_says_of_whom_nobody_has_said_what_it_is() -> None:
    known = replace(facts("a", "b"), roles={"a-pause": "sandbox", "b-pause": "sandbox"})
    assert untold(tree("a", "b"), targets(target("b", 1)), known) == ["a-main"]


def test_classes_are_those_that_pods_are_compared_by() -> None:
    places = tree("late", "new", "low", "high", "same", "safe", "own", "request", HASH)
    told = targets(
        target("low", -5),
        target("high", 900),
        target("same", 900),
        target("safe", protect="Always"),
        target("own", 1),
        target("request", protect="Request"),
    )
    known = replace(facts(*[place.pod_uid for place in places if place.kind is Kind.POD]), own=frozenset({"own"}))
    known = replace(known, young=frozenset({"late", "high"}))
    found = classes(places, told, known)
    names = [[place.container_id.removesuffix("-main") for place in one.leaves] for one in found]
    assert names == [["low"], ["new", "request"], ["high", "same"], ["late"]]


@pytest.mark.parametrize("unread", [frozenset[int](), frozenset({11, 31})], ids=["all-measured", "one-class-measured"])
def test_what_the_classes_behind_use_changes_nothing(unread: frozenset[int]) -> None:
    known = facts("a", "b", "c")
    usage = {memcg: size for memcg, size in known.usage.items() if memcg not in unread}
    known = replace(known, usage=usage, unread=unread)
    snapshot = snapshot_of(tree("a", "b", "c"), targets(target("a", 50), target("b", 1), target("c", 60)), known, "/")
    first = select(snapshot).order[0]
    assert first.path == "/kubepods/podb/b-main"
    assert first.layers[1].spared == ("/kubepods/poda", "/kubepods/podc")
