"""What a node is told, given what the API server said."""

import json
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from oompolicy_agent.sync import targets
from oompolicy_agent.sync.targets import Plan, plan
from oompolicy_agent.sync.world import Change, Kind, Listing, World, parse

NOW = datetime(2026, 11, 24, 1, 53, 49, 123456, tzinfo=UTC)


def named(name: str, uid: str = "", **rest: Any) -> dict[str, Any]:  # noqa: ANN401 - any part of an object
    labels = rest.pop("labels", {})
    return {
        "metadata": {"name": name, "uid": uid or f"uid-{name}", "labels": labels, **rest.pop("metadata", {})},
        **rest,
    }


def policy(name: str = "mixed", *, precedence: int = 0, **spec: Any) -> dict[str, Any]:  # noqa: ANN401 - a spec
    rules = [{"name": "data", "match": {"namespaceSelector": {"matchLabels": {"tier": "data"}}}, "priority": 900}]
    created = {"generation": 3, "creationTimestamp": "2026-11-24T00:00:00Z"}
    return named(name, metadata=created, spec={"precedence": precedence, "rules": rules, **spec})


def pod(name: str = "db", namespace: str = "shop", **spec: Any) -> dict[str, Any]:  # noqa: ANN401 - a spec
    status = {"qosClass": "Guaranteed", "containerStatuses": [{"name": "db", "containerID": "containerd://c1"}]}
    containers = [{"name": "db", "resources": {"requests": {"memory": "1Mi"}}}]
    return named(name, metadata={"namespace": namespace}, spec={"containers": containers, **spec}, status=status)


def world(
    *policies: dict[str, Any],
    pods: tuple[dict[str, Any], ...] = (pod(),),
    namespaces: tuple[dict[str, Any], ...] = (named("shop", labels={"tier": "data"}),),
    without: Kind | None = None,
) -> World:
    """A world with a node that is in pool a, and everything listed but the kind `without`."""
    bodies = {Kind.NODE: (named("w1", labels={"pool": "a"}),), Kind.POLICY: policies, Kind.POD: pods}
    bodies[Kind.NAMESPACE] = namespaces
    found = World()
    for kind, listed in bodies.items():
        if kind is not without:
            found = found.after(Listing(kind, tuple(parse(kind, body) for body in listed)))
    return found


def document(of: World) -> dict[str, Any]:
    """The plan's document; fails the test when there is none or a problem."""
    found = plan(of, "w1", 104857600)
    assert found.problems == ()
    assert found.document is not None
    return found.document


def test_is_what_the_guard_expects() -> None:
    assert document(world(policy())) == {
        "formatVersion": 1,
        "node": "w1",
        "policy": {
            "name": "mixed",
            "uid": "uid-mixed",
            "generation": 3,
            "mode": "Enforce",
            "backends": [],
            "defaultPriority": 0,
            "tieBreak": "LargestUsage",
            "trigger": {},
            "budget": {},
        },
        "kubeletHardEvictionBytes": 104857600,
        "hostCgroups": [],
        "pods": [
            {
                "uid": "uid-db",
                "namespace": "shop",
                "name": "db",
                "priority": 900,
                "protect": None,
                "unit": "Container",
                "rule": "data",
                "source": "Rule",
                "requestBytes": 1048576,
                "guaranteed": True,
                "terminating": False,
                "graceMilliseconds": 0,
                "restartPolicy": "Always",
                "then": "Restart",
                "containers": [{"name": "db", "id": "c1", "priority": None, "requestBytes": 1048576}],
                "waitingContainers": [],
            }
        ],
    }


@pytest.mark.parametrize(
    ("policies", "name"),
    [
        pytest.param([policy("low"), policy("high", precedence=1)], "high", id="precedence"),
        pytest.param([policy("b"), policy("a")], "a", id="same-age-by-name"),
        pytest.param(
            [policy("high", precedence=9, nodeSelector={"matchLabels": {"pool": "b"}}), policy("mine")],
            "mine",
            id="other-nodes",
        ),
    ],
)
def test_one_policy_acts(policies: list[dict[str, Any]], name: str) -> None:
    assert document(world(*policies))["policy"]["name"] == name


def test_without_a_policy_nothing_is_asked_for() -> None:
    found = document(world())
    assert (found["policy"], found["pods"]) == (None, [])


def test_what_the_policy_says_reaches_the_guard_in_its_own_words() -> None:
    found = document(
        world(
            policy(
                victim={"unit": "Pod", "tieBreak": "Newest", "graceMilliseconds": 2000, "then": "Evict"},
                trigger={"memoryAvailable": "300Mi", "windowMilliseconds": 2000},
                budget={"cooldownSeconds": 0, "maximumKills": 3},
                hostCgroups=[{"path": "/system.slice/backup.service", "priority": -50}],
            )
        )
    )
    assert found["policy"]["tieBreak"] == "Newest"
    assert found["policy"]["trigger"] == {"memoryAvailableBytes": 300 << 20, "windowMilliseconds": 2000}
    assert found["policy"]["budget"] == {"cooldownSeconds": 0, "maximumKills": 3}
    assert found["hostCgroups"] == [{"path": "/system.slice/backup.service", "priority": -50}]
    (db,) = found["pods"]
    assert (db["unit"], db["graceMilliseconds"], db["then"]) == ("Pod", 2000, "Evict")


def test_a_share_of_memory_stays_one() -> None:
    found = document(world(policy(trigger={"memoryAvailable": "5%"})))
    assert found["policy"]["trigger"] == {"memoryAvailablePercent": 5}


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        pytest.param({"trigger": {"memoryAvailable": "much"}}, "spec.trigger.memoryAvailable", id="threshold"),
        pytest.param({"victim": {"tieBreak": "Oldest"}}, "spec.victim.tieBreak", id="tie-break"),
    ],
)
def test_what_a_newer_version_says_is_reported_and_leaves_the_default(spec: dict[str, Any], problem: str) -> None:
    found = plan(world(policy(**spec)), "w1")
    assert found.document is not None
    assert (found.document["policy"]["trigger"], found.document["policy"]["tieBreak"]) == ({}, "LargestUsage")
    (only,) = found.problems
    assert problem in only


def test_a_container_that_has_not_run_yet_is_told_of_by_its_name() -> None:
    rule = {"name": "data", "match": {}, "priority": 5, "containers": [{"name": "db", "priority": 9}]}
    (db,) = document(world(policy(rules=[rule]), pods=({**pod(), "status": {}},)))["pods"]
    assert db["containers"] == []
    assert db["waitingContainers"] == [{"name": "db", "priority": 9, "requestBytes": 1048576}]


def test_a_containers_own_priority_reaches_the_guard() -> None:
    rule = {"name": "data", "match": {}, "priority": 5, "containers": [{"name": "db", "priority": 9}]}
    (db,) = document(world(policy(rules=[rule])))["pods"]
    assert [(one["name"], one["priority"]) for one in db["containers"]] == [("db", 9)]


def test_a_policy_that_audits_decides_beside_one_that_enforces() -> None:
    found = document(world(policy("strict"), policy("trial", mode="Audit", defaultPriority=3, rules=[])))
    assert (found["policy"]["name"], found["policy"]["mode"], found["pods"][0]["priority"]) == (
        "strict",
        "Enforce",
        900,
    )
    audit = found["audit"]
    assert (audit["policy"]["name"], audit["policy"]["mode"], audit["pods"][0]["priority"]) == ("trial", "Audit", 3)


def test_without_one_that_enforces_the_one_that_audits_acts() -> None:
    found = document(world(policy("trial", mode="Audit")))
    assert (found["policy"]["mode"], "audit" in found) == ("Audit", False)


def test_a_policy_that_is_off_switches_auditing_off_too() -> None:
    found = document(world(policy("stop", mode="Off", precedence=1), policy("trial", mode="Audit"), policy("strict")))
    assert (found["policy"]["name"], found["policy"]["mode"], "audit" in found) == ("stop", "Off", False)


def test_what_is_wrong_in_a_pod_is_its_tenants_to_mend() -> None:
    rule = {"name": "data", "match": {}, "priority": 5, "override": {"minimum": 0, "maximum": 9}}
    given = pod()
    given["metadata"]["annotations"] = {"oompolicy.dev/priority": "high"}
    found = plan(world(policy(rules=[rule]), pods=(given,)), "w1")
    (problem,) = found.pod_problems
    assert (problem.namespace, problem.name) == ("shop", "db")
    assert "expected a whole number from 0 to 9, found 'high'" in problem.message


def test_what_will_be_a_problem_is_one() -> None:
    rule = {"name": "all", "match": {"namespaceSelector": {}}, "protect": {"upTo": "Always"}}
    (problem,) = plan(world(policy(rules=[rule])), "w1").problems
    assert problem == "Policy mixed: nobody on this node may be killed: rules protect all 1 pods that could be"


def test_what_is_protected_is_counted_by_its_requests() -> None:
    match = {"namespaceSelector": {"matchLabels": {"tier": "data"}}}
    protecting = policy(rules=[{"name": "data", "match": match, "protect": {"upTo": "Request"}}])
    namespaces = (named("shop", labels={"tier": "data"}), named("elsewhere"))
    of = world(protecting, pods=(pod(), pod("other", "elsewhere")), namespaces=namespaces)
    assert plan(of, "w1").protected_request_bytes == 1 << 20
    assert Plan(None).protected_request_bytes is None


def test_a_policy_that_is_off_is_told_as_off() -> None:
    assert document(world(policy(mode="Off")))["policy"]["mode"] == "Off"


def test_a_mode_from_a_newer_version_touches_nothing_and_is_reported() -> None:
    found = plan(world(policy(mode="Rehearse")), "w1")
    assert found.document is not None
    assert found.document["policy"]["mode"] == "Off"
    assert found.problems == ("Policy mixed: spec.mode: expected Enforce, Audit, Off, found Rehearse; taken as Off",)


@pytest.mark.parametrize("kind", list(Kind))
def test_nothing_is_said_before_everything_was_listed(kind: Kind) -> None:
    assert plan(world(policy(), without=kind), "w1") == Plan(None)


def test_nothing_is_said_about_a_node_that_is_not_there() -> None:
    assert plan(world(policy()).after(Listing(Kind.NODE, ())), "w1") == Plan(None)


def test_a_pod_waits_for_its_namespace() -> None:
    before = world(policy(), namespaces=())
    assert document(before)["pods"] == []
    after = before.after(Change(Kind.NAMESPACE, parse(Kind.NAMESPACE, named("shop", labels={"tier": "data"}))))
    assert [p["priority"] for p in document(after)["pods"]] == [900]


def test_a_namespaces_new_label_changes_its_pods() -> None:
    before = world(policy(), namespaces=(named("shop"),))
    assert [p["source"] for p in document(before)["pods"]] == ["Default"]
    after = before.after(Change(Kind.NAMESPACE, parse(Kind.NAMESPACE, named("shop", labels={"tier": "data"}))))
    assert [p["source"] for p in document(after)["pods"]] == ["Rule"]


def test_a_pod_that_is_gone_has_no_target() -> None:
    after = world(policy()).after(Change(Kind.POD, parse(Kind.POD, pod()), gone=True))
    assert document(after)["pods"] == []


BROKEN = policy(defaultPriority="lots")
SAID = "OOMPolicy mixed: spec.defaultPriority: Input should be a valid integer"


def test_a_policy_that_cannot_be_read_any_more_keeps_its_last_version() -> None:
    before = world(policy())
    found = plan(before.after(Change(Kind.POLICY, parse(Kind.POLICY, BROKEN))), "w1", 104857600)
    assert found.document == document(before)
    (problem,) = found.problems
    assert problem.startswith(SAID)


def test_a_policy_that_could_never_be_read_holds_everything_as_it_is() -> None:
    found = plan(world(BROKEN, policy("other")), "w1")
    assert found.document is None
    (problem,) = found.problems
    assert problem.startswith(SAID)


def test_a_node_selector_from_a_newer_version_holds_everything_as_it_is() -> None:
    newer = policy(nodeSelector={"matchExpressions": [{"key": "a", "operator": "Gt"}]})
    found = plan(world(newer), "w1")
    assert found.document is None
    assert "found 'Gt'" in found.problems[0]


def test_a_pod_that_cannot_be_read_any_more_keeps_its_last_version() -> None:
    broken = {**pod(), "spec": {"containers": [{"name": "db", "resources": {"requests": {"memory": "much"}}}]}}
    found = plan(world(policy()).after(Change(Kind.POD, parse(Kind.POD, broken))), "w1", 104857600)
    assert found.document == document(world(policy()))
    assert found.problems[0].startswith("Pod shop/db: spec.containers[0].resources.requests.memory")


def test_is_written_whole_and_for_the_guards_group_only(tmp_path: Path) -> None:
    path = tmp_path / "targets.json"
    assert targets.write(path, {"node": "w1"}, NOW)
    assert json.loads(path.read_text()) == {"node": "w1", "writtenAt": "2026-11-24T01:53:49.123Z"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_is_not_written_again_when_it_says_the_same(tmp_path: Path) -> None:
    path = tmp_path / "targets.json"
    targets.write(path, document(world(policy())), NOW)
    before = path.stat()
    assert not targets.write(path, document(world(policy())), NOW.replace(year=2027))
    assert path.stat().st_ino == before.st_ino


@pytest.mark.parametrize("damaged", ["", "{", "[]", '{"node": "w2"}'])
def test_is_written_over_whatever_else_stands_there(tmp_path: Path, damaged: str) -> None:
    path = tmp_path / "targets.json"
    path.write_text(damaged)
    assert targets.write(path, {"node": "w1"}, NOW)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "targets.json"
    targets.write(path, {"node": "w1"}, NOW)
    with pytest.raises(TypeError):
        targets.write(path, {"node": object()}, NOW)
    assert json.loads(path.read_text())["node"] == "w1"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("agents_of", "acting"),
    [
        pytest.param({"mixed", "strict"}, "strict", id="a-pod-that-is-replaced-changes-nothing"),
        pytest.param({"mixed"}, "mixed", id="another-policy-has-agents-still"),
        pytest.param(set(), None, id="nobody-will-be-there"),
    ],
)
def test_what_stays_in_force_is_what_still_has_agents(agents_of: set[str], acting: str | None) -> None:
    both = world(policy(), policy("strict", precedence=1))
    found = document(both.with_agents_of(agents_of))["policy"]
    assert (found and found["name"]) == acting


def test_policies_that_have_not_been_listed_are_not_taken_to_be_none() -> None:
    """A sync that is ended at its start must not have the guard let go."""
    assert plan(world(without=Kind.POLICY).with_agents_of(set()), "w1").document is None
