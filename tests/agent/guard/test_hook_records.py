"""What the OOM handler has decided becomes a record like any other."""

from dataclasses import replace

import pytest

from oompolicy_agent.guard.hook_abi import Outcome, Verdict
from oompolicy_agent.guard.hook_records import decided, place_at, wall_time
from oompolicy_agent.guard.layout import Kind, Place, classify
from oompolicy_agent.guard.snapshot import Facts, snapshot_of
from oompolicy_agent.guard.targets import ContainerTarget, PodTarget, Policy, Targets

TOP = classify("/kubepods", 1, None)
PODS = [classify(f"/kubepods/pod{name}", number, TOP) for number, name in ((2, "low"), (3, "high"))]
MAINS = [classify(f"{pod.path}/{pod.pod_uid}-main", pod.id + 10, pod) for pod in PODS]
TREE = [TOP, *(place for pair in zip(PODS, MAINS, strict=True) for place in pair)]
PLACES = {place.id: place for place in TREE}
TARGETS = Targets(
    Policy("mixed", "6f1c", 3, "Enforce"),
    {
        name: PodTarget(
            name, "shop", name, priority, containers={f"{name}-main": ContainerTarget("main", f"{name}-main")}
        )
        for name, priority in (("low", 10), ("high", 900))
    },
)
SEEN = snapshot_of(
    TREE, TARGETS, Facts(roles={"low-main": "container", "high-main": "container"}, usage={12: 100, 13: 200}), "/"
)
VERDICT = Verdict(
    time=5_000_000_000,
    domain=1,
    victim=12,
    number=7,
    usage_bytes=100,
    flush_nanoseconds=10,
    nanoseconds=1_250_000,
    outcome=Outcome.KILLED,
    visited=5,
    eligible=2,
    killed=1,
    passed_over=0,
    path="/kubepods/podlow/low-main",
)


def test_a_kill_is_recorded_and_explained_as_a_guards_is() -> None:
    record = decided(VERDICT, 1000.0, PLACES, TARGETS, SEEN)
    assert record.victim
    assert (record.backend, record.outcome, record.domain, record.mode) == (
        "KernelHook",
        "Killed",
        "/kubepods",
        "Enforce",
    )
    assert (record.victim.name, record.victim.priority, record.victim.usage_bytes) == ("shop/low/main", 10, 100)
    assert [victim.pod for victim in record.ranking] == ["low", "high"]
    assert record.why
    assert "priority 10 is lower than 900" in record.why
    assert (record.tasks_signalled, record.shortage_to_signal) == (1, 1.2)


def test_one_whose_memcg_is_gone_is_named_all_the_same() -> None:
    """Nobody was there when it happened: it is read by the next guard, after the pod has been replaced."""
    record = decided(VERDICT, 1000.0, {}, TARGETS, None)
    assert record.victim
    assert (record.victim.name, record.victim.path, record.domain) == ("shop/low/main", VERDICT.path, "/")
    assert (record.layers, record.why) == ((), None)


@pytest.mark.parametrize(("level", "domain"), [(0, "/"), (1, "/kubepods"), (3, VERDICT.path)])
def test_a_domain_that_is_gone_is_named_by_the_beginning_of_its_victim(level: int, domain: str) -> None:
    record = decided(replace(VERDICT, domain_level=level), 1000.0, {}, TARGETS, None)
    assert record.domain == domain


def test_where_one_process_dies_its_container_does_not() -> None:
    single = replace(VERDICT, process="postgres[17]", process_usage_bytes=60)
    victim = decided(single, 1000.0, PLACES, TARGETS, SEEN).victim
    assert victim
    assert (victim.unit, victim.process, victim.usage_bytes) == ("Process", "postgres[17]", 60)


def test_what_was_seen_without_the_victim_explains_nothing() -> None:
    """Its memcg has gone before we looked: the order of the others would be a lie."""
    others = replace(SEEN, cgroups=tuple(memcg for memcg in SEEN.cgroups if memcg.id not in {2, 12}))
    record = decided(VERDICT, 1000.0, PLACES, TARGETS, others)
    assert (record.ranking, record.layers, record.why) == ((), (), None)


@pytest.mark.parametrize(
    ("outcome", "said", "mode"),
    [
        pytest.param(Outcome.WOULD_KILL, "WouldKill", "Audit", id="audit"),
        pytest.param(Outcome.NOBODY_KILLABLE, "NothingEligible", "Enforce", id="nobody-whom-the-kernel-lets-us-kill"),
    ],
)
def test_outcomes_have_the_journals_words(outcome: Outcome, said: str, mode: str) -> None:
    record = decided(replace(VERDICT, outcome=outcome, killed=0), 1000.0, PLACES, TARGETS, SEEN)
    assert (record.outcome, record.mode) == (said, mode)


def test_nobody_eligible_has_no_victim() -> None:
    nobody = replace(VERDICT, outcome=Outcome.NOTHING_ELIGIBLE, victim=0, path="")
    record = decided(nobody, 1000.0, PLACES, TARGETS, SEEN)
    assert (record.victim, record.outcome, record.ranking) == (None, "NothingEligible", ())


def test_its_time_is_that_of_the_wall_clock() -> None:
    assert wall_time(VERDICT, now=1000.0, boot_nanoseconds=65_000_000_000) == 940.0


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("/kubepods/burstable/podx/c1", (Kind.CONTAINER, "x", "c1"), id="container"),
        pytest.param("/kubelet/kubepods/podx", (Kind.POD, "x", ""), id="pod-below-a-root-of-its-own"),
        pytest.param("/system.slice/ssh.service", (Kind.HOST, "", ""), id="service"),
    ],
)
def test_names_alone_tell_what_was_there(path: str, expected: tuple[Kind, str, str]) -> None:
    place = place_at(path, 9)
    assert isinstance(place, Place)
    assert (place.kind, place.pod_uid, place.container_id) == expected
    assert (place.path, place.id) == (path, 9)
