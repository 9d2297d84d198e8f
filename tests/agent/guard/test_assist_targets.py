"""What the BPF program is told says the same as the snapshot that the specification is asked with."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from differential.policies import snapshot_of as told_snapshot
from drawn_nodes import nodes
from oompolicy_agent.guard.assist_abi import Flag, Question, Target
from oompolicy_agent.guard.assist_targets import TargetsByPod, assist_targets
from oompolicy_agent.guard.layout import Kind, Place
from oompolicy_agent.guard.snapshot import Facts, snapshot_of
from oompolicy_agent.guard.targets import ContainerTarget, HostTarget, PodTarget, Policy, Targets
from oompolicy_agent.select import champion

Node = tuple[list[Place], Targets, Facts]


def unmeasured(tree: Sequence[Place], facts: Facts) -> Facts:
    """The facts as they are before anything is measured."""
    read = {Kind.CONTAINER} | {Kind.HOST}
    unread = frozenset(p.id for p in tree if p.kind in read and (p.kind is Kind.CONTAINER or p.target))
    return replace(facts, usage={}, unread=unread)


def measured(tree: Sequence[Place], told: Mapping[int, Target], usage: Mapping[int, int]) -> dict[int, Target]:
    """What the program would leave in the map: leaves with their usage, everything else with that of its parts."""
    leaves = [place for place in tree if place.kind in {Kind.CONTAINER, Kind.HELPER, Kind.HOST} and place.id in told]
    counted = [place for place in leaves if Flag.UNKILLABLE not in told[place.id].flags]
    sums = {
        place.id: sum(usage.get(leaf.id, 0) for leaf in counted if leaf.path.startswith(place.path + "/"))
        for place in tree
    }
    sums |= {leaf.id: usage.get(leaf.id, 0) for leaf in leaves}
    return {id_: replace(target, usage_bytes=sums[id_]) for id_, target in told.items()}


@settings(max_examples=500, deadline=None)
@given(nodes(), st.sampled_from(["/", "/kubepods", "/kubepods/burstable"]))
def test_the_same_one_dies(node: Node, domain: str) -> None:
    tree, targets, facts = node
    assert targets.policy
    told = assist_targets(tree, targets, unmeasured(tree, facts))
    holders = [place.path + "/" for place in tree if place.id in facts.usage]
    populated = {place.id: any(path.startswith(place.path + "/") for path in holders) for place in tree}
    question = Question(1, 1, targets.policy.default_priority, targets.policy.tie_break)
    found = champion(told_snapshot(domain, question, tree, measured(tree, told, facts.usage), populated))
    expected = champion(snapshot_of(tree, targets, facts, domain))
    assert (found and (found.path, found.dies)) == (expected and (expected.path, expected.dies))


@settings(max_examples=200, deadline=None)
@given(st.lists(nodes(), min_size=2, max_size=4))
def test_a_node_that_changes_is_told_of_as_if_it_were_seen_for_the_first_time(states: list[Node]) -> None:
    """The states are of different nodes whose pods have the same names, so that everything may have changed."""
    by_pod = TargetsByPod()
    for tree, targets, measured_facts in states:
        facts = unmeasured(tree, measured_facts)
        assert by_pod.targets(tree, targets, facts) == assist_targets(tree, targets, facts)


POLICY = Policy("mixed", "6f1c", 1, "Enforce", default_priority=500)
MAIN, PAUSE = (
    Place("/kubepods/podx/main", 3, Kind.CONTAINER, "x", "main"),
    Place("/kubepods/podx/p", 4, Kind.CONTAINER, "x", "p"),
)
POD = Place("/kubepods/podx", 2, Kind.POD, "x")
SSH = Place("/system.slice/ssh.service", 5, Kind.HOST)
TREE = [Place("/kubepods", 1, Kind.TOP), POD, MAIN, PAUSE, SSH]
FACTS = Facts(roles={"main": "container", "p": "sandbox"}, unread=frozenset({3, 4}))


def pod(priority: int | None = 10, protect: str | None = None, unit: str = "Container") -> Targets:
    main = ContainerTarget("main", "main", 7, 64)
    told = PodTarget("x", "shop", "x", priority, protect, unit, request_bytes=128, containers={"main": main})
    return Targets(POLICY, {"x": told})


def test_pod_container_sandbox_and_a_service_that_nobody_named() -> None:
    assert assist_targets(TREE, pod(), FACTS) == {
        2: Target(10, Flag.HAS_PRIORITY | Flag.PARTS, 128),
        3: Target(7, Flag.HAS_PRIORITY | Flag.UNIT, 64),
        4: Target(0, Flag.UNIT | Flag.UNKILLABLE),
        5: Target(0, Flag.PROTECTED | Flag.NOBODYS),
    }


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        pytest.param(
            pod(None, "Always"), Target(500, Flag.HAS_PRIORITY | Flag.PROTECTED | Flag.PARTS, 128), id="always"
        ),
        pytest.param(
            pod(None, "Request"),
            Target(500, Flag.HAS_PRIORITY | Flag.PROTECTED_TO_REQUEST | Flag.PARTS, 128),
            id="up-to-its-request",
        ),
        pytest.param(
            pod(unit="Pod"), Target(10, Flag.HAS_PRIORITY | Flag.UNIT | Flag.PARTS, 128), id="whole-pod-as-a-unit"
        ),
    ],
)
def test_what_a_rule_says_of_a_pod(targets: Targets, expected: Target) -> None:
    assert assist_targets(TREE, targets, FACTS)[2] == expected


def test_of_a_container_that_does_not_die_whole_the_handler_takes_a_process() -> None:
    assert assist_targets(TREE, pod(unit="Process"), FACTS)[3].flags == Flag.HAS_PRIORITY | Flag.UNIT | Flag.PROCESS


def test_who_is_excluded_or_futile_is_no_candidate_and_counts_all_the_same() -> None:
    for facts in (replace(FACTS, excluded=frozenset({3})), replace(FACTS, futile=frozenset({"x"}))):
        assert assist_targets(TREE, pod(), facts)[3].flags == Flag.HAS_PRIORITY | Flag.UNIT | Flag.EXCLUDED


def test_a_pod_of_which_nobody_was_told_yet_is_unknown() -> None:
    told = assist_targets(TREE, Targets(POLICY), replace(FACTS, young=frozenset({"x"})))
    assert told[3].flags == Flag.UNIT | Flag.UNKNOWN


def test_the_node_needs_what_is_vital_whatever_its_target_says() -> None:
    vital = replace(SSH, target=SSH.path, is_vital=True)
    hosts = {SSH.path: HostTarget(SSH.path, None, "Request", 1)}
    told = assist_targets([vital], Targets(POLICY, host_cgroups=hosts), replace(FACTS, unread=frozenset({5})))
    assert Flag.PROTECTED in told[5].flags
