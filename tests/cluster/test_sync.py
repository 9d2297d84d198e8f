"""The real sync process against a real control plane, on a node that exists only there; the test plays its guard."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.control_plane import ControlPlane
from operating.agent import Agent
from operating.crds import next_version

pytestmark = pytest.mark.cluster

USER_AGENT = "oompolicy-agent"
MOST_WRITES = 8
"""After an outage: the node's object and its status, the decision, its Event, and once more after a refusal."""


@pytest.fixture
def agent(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> Iterator[Agent]:
    """A running agent on a new node."""
    agent = Agent(control_plane, namespace, tmp_path)
    metadata = {"name": agent.node, "labels": {"test-node": agent.node}}
    control_plane.apply(json.dumps({"apiVersion": "v1", "kind": "Node", "metadata": metadata}))
    control_plane.kubectl("-n", namespace, "wait", "--for=create", "serviceaccount/default", "--timeout=60s")
    agent.start()
    yield agent
    agent.stop()
    control_plane.kubectl("delete", "node", agent.node)


@pytest.fixture
def apply_policy(control_plane: ControlPlane, agent: Agent) -> Iterator[Callable[..., str]]:
    """Applies a policy for the agent's node alone; a name and changes to its spec say which. Returns its name."""
    names = set()

    def apply(name: str = "mixed", **spec: Any) -> str:  # noqa: ANN401 - any field of a spec
        given = {"nodeSelector": {"matchLabels": {"test-node": agent.node}}, "precedence": 1000, **spec}
        full_name = f"{name}-{agent.node}"
        names.add(full_name)
        body = {"apiVersion": "oompolicy.dev/v1alpha1", "kind": "OOMPolicy", "metadata": {"name": full_name}}
        control_plane.apply(json.dumps(body | {"spec": given}))
        return full_name

    yield apply
    control_plane.kubectl("delete", "oompolicies", *names, "--ignore-not-found")


@pytest.fixture
def run_pod(control_plane: ControlPlane, agent: Agent) -> Callable[..., str]:
    """Makes a pod on the agent's node as if kubelet ran it, and returns its uid."""

    def run(name: str, **labels: str) -> str:
        containers = [{"name": "main", "image": "any", "resources": {"requests": {"memory": "1Mi"}}}]
        spec = {"nodeName": agent.node, "tolerations": [{"operator": "Exists"}], "containers": containers}
        metadata = {"name": name, "namespace": agent.namespace, "labels": labels}
        control_plane.apply(json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}))
        status: dict[str, Any] = {
            "name": "main",
            "containerID": f"containerd://id-{name}",
            "image": "any",
            "imageID": "any",
        }
        status |= {"ready": True, "restartCount": 0}
        patch = json.dumps({"status": {"phase": "Running", "containerStatuses": [status]}})
        kubectl = ("-n", agent.namespace)
        control_plane.kubectl(*kubectl, "patch", "pod", name, "--subresource=status", "--type=merge", "-p", patch)
        return control_plane.kubectl(*kubectl, "get", "pod", name, "-o=jsonpath={.metadata.uid}")

    return run


DATABASES = {"name": "databases", "match": {"namespaceSelector": {"matchLabels": {"tier": "data"}}}, "priority": 900}
BATCH = {"name": "batch", "match": {"podSelector": {"matchLabels": {"app": "batch"}}}, "priority": 10}


def test_pods_become_targets(agent: Agent, apply_policy: Callable[..., str], run_pod: Callable[..., str]) -> None:
    policy = apply_policy(rules=[BATCH], defaultPriority=500)
    uids = {name: run_pod(name, app=name) for name in ("batch", "web")}
    agent.wait_until("both containers known", lambda: all(agent.target(name).get("containers") for name in uids))
    assert agent.target("batch") == {
        "uid": uids["batch"],
        "namespace": agent.namespace,
        "name": "batch",
        "priority": 10,
        "protect": None,
        "unit": "Container",
        "rule": "batch",
        "source": "Rule",
        "requestBytes": 1048576,
        "guaranteed": False,
        "terminating": False,
        "graceMilliseconds": 0,
        "restartPolicy": "Always",
        "then": "Restart",
        "containers": [{"name": "main", "id": "id-batch", "priority": None, "requestBytes": 1048576}],
        "waitingContainers": [],
    }
    assert (agent.target("web")["priority"], agent.target("web")["source"]) == (500, "Default")
    told = agent.targets()
    assert told["node"] == agent.node
    assert (told["policy"]["name"], told["policy"]["mode"]) == (policy, "Enforce")


def test_a_pod_that_ends_or_goes_is_no_target_any_more(
    control_plane: ControlPlane, agent: Agent, apply_policy: Callable[..., str], run_pod: Callable[..., str]
) -> None:
    apply_policy()
    for name in ("ends", "goes", "stays"):
        run_pod(name)
    agent.wait_until("three targets", lambda: len(agent.targets().get("pods", ())) == 3)
    patch = json.dumps({"status": {"phase": "Succeeded"}})
    kubectl = ("-n", agent.namespace)
    control_plane.kubectl(*kubectl, "patch", "pod", "ends", "--subresource=status", "--type=merge", "-p", patch)
    control_plane.kubectl(*kubectl, "delete", "pod", "goes", "--force", "--grace-period=0", "--wait=false")
    agent.wait_until("one target", lambda: [p["name"] for p in agent.targets()["pods"]] == ["stays"])


def test_a_namespaces_label_decides_anew(
    control_plane: ControlPlane, agent: Agent, apply_policy: Callable[..., str], run_pod: Callable[..., str]
) -> None:
    apply_policy(rules=[DATABASES])
    run_pod("db")
    agent.wait_until("the default", lambda: agent.target("db").get("source") == "Default")
    control_plane.kubectl("label", "namespace", agent.namespace, "tier=data")
    agent.wait_until("the rule", lambda: agent.target("db").get("priority") == 900)
    control_plane.kubectl("label", "namespace", agent.namespace, "tier-")
    agent.wait_until("the default again", lambda: agent.target("db").get("source") == "Default")


def test_the_higher_precedence_acts_and_the_other_one_after_it(
    control_plane: ControlPlane, agent: Agent, apply_policy: Callable[..., str]
) -> None:
    low = apply_policy("low", precedence=1000)
    agent.wait_until("the only policy", lambda: agent.policy() == low)
    high = apply_policy("high", precedence=1001, mode="Off")
    agent.wait_until("the higher one", lambda: agent.policy() == high)
    assert agent.targets()["policy"]["mode"] == "Off"
    control_plane.kubectl("delete", "oompolicies", high)
    agent.wait_until("the lower one again", lambda: agent.policy() == low)
    control_plane.kubectl("label", "node", agent.node, "test-node-")
    agent.wait_until("no policy selects the node", lambda: agent.targets()["policy"] is None)
    assert agent.targets()["pods"] == []


def events(control_plane: ControlPlane, namespace: str) -> list[dict[str, Any]]:
    """The Events of ours in `namespace`, by the name of the pod."""
    found = json.loads(control_plane.kubectl("-n", namespace, "get", "events", "-o", "json"))["items"]
    return sorted(
        (e for e in found if e["reason"] == "OOMPolicyVictim"), key=lambda e: str(e["involvedObject"]["name"])
    )


def test_a_decision_becomes_an_event_on_the_victim(
    control_plane: ControlPlane, agent: Agent, run_pod: Callable[..., str]
) -> None:
    uid = run_pod("batch")
    agent.report()
    agent.decide("20261124T015349.123Z-0001", "batch", uid)
    agent.decide("20261124T015349.123Z-0002", "gone", "a-uid-of-the-past", outcome="WouldKill")
    agent.wait_until("two Events", lambda: len(events(control_plane, agent.namespace)) == 2)
    killed, would_kill = events(control_plane, agent.namespace)
    assert killed["involvedObject"]["uid"] == uid
    assert killed["message"] == (
        "Killed container main (priority 10 by rule batch of policy mixed) because the node ran out of memory: "
        "90 MiB were left, threshold 200 MiB (MarginExhausted); 248 MiB were freed"
    )
    assert "nothing was touched" in would_kill["message"]
    assert "OOMPolicyVictim" in control_plane.kubectl("-n", agent.namespace, "describe", "pod", "batch")
    published = [line for line in agent.log() if line["msg"] == "Published decision"]
    assert [(line["pod"], line["node"]) for line in published] == [
        (f"{agent.namespace}/batch", agent.node),
        (f"{agent.namespace}/gone", agent.node),
    ]


def test_a_restart_publishes_what_came_meanwhile_and_nothing_twice(control_plane: ControlPlane, agent: Agent) -> None:
    agent.report()
    agent.decide("20261124T015349.123Z-0001", "first", "uid-1")
    agent.wait_until("one Event", lambda: len(events(control_plane, agent.namespace)) == 1)
    agent.stop()
    agent.decide("20261124T015349.123Z-0002", "second", "uid-2")
    (agent.outbox / "decisions.jsonl").rename(agent.outbox / "decisions.jsonl.1")
    agent.decide("20261124T015349.123Z-0003", "third", "uid-3")
    agent.start()
    agent.wait_until("three Events", lambda: len(events(control_plane, agent.namespace)) == 3)
    names = [line["pod"].partition("/")[2] for line in agent.log() if line["msg"] == "Published decision"]
    assert names == ["first", "second", "third"]


def oomnode(control_plane: ControlPlane, name: str) -> dict[str, Any]:
    """The OOMNode `name`; empty when there is none."""
    text = control_plane.kubectl("get", "oomnode", name, "--ignore-not-found", "-o", "json")
    return dict(json.loads(text)) if text else {}


def test_the_guards_report_becomes_the_status_of_its_oomnode(control_plane: ControlPlane, agent: Agent) -> None:
    agent.report()

    def status() -> dict[str, Any]:
        return dict(oomnode(control_plane, agent.node).get("status", {}))

    agent.wait_until("a status", lambda: status().get("backend") == "Userspace")
    assert status()["policies"] == [{"name": "mixed", "uid": "6f1c", "generation": 3, "mode": "Enforce"}]
    node_uid = control_plane.kubectl("get", "node", agent.node, "-o=jsonpath={.metadata.uid}")
    owner = {"apiVersion": "v1", "kind": "Node", "name": agent.node, "uid": node_uid}
    assert oomnode(control_plane, agent.node)["metadata"]["ownerReferences"] == [owner]
    last = {"id": "x-1", "time": "2026-11-24T01:53:49Z", "outcome": "Killed", "victim": "shop/batch/main"}
    agent.report(kills=1, lastDecision=last)
    agent.wait_until("a kill", lambda: status().get("kills") == 1)
    assert status()["lastDecision"] == last
    agent.report(policy=None, mode="Off", backend="Off", reasons=[])
    agent.wait_until("Off", lambda: status().get("backend") == "Off")
    assert not {"mode", "lastDecision"} & status().keys()
    control_plane.kubectl("delete", "oomnode", agent.node)
    agent.report(kills=2)
    agent.wait_until("it is there again", lambda: status().get("kills") == 2)


def test_the_agent_beside_another_guard_publishes_nothing(control_plane: ControlPlane, agent: Agent) -> None:
    agent.report(podUid="another")
    agent.decide("20261124T015349.123Z-0001", "batch", "uid-1")
    agent.wait_until("targets", lambda: bool(agent.targets()))
    assert oomnode(control_plane, agent.node) == {}
    assert events(control_plane, agent.namespace) == []
    agent.report()
    agent.wait_until("one Event", lambda: len(events(control_plane, agent.namespace)) == 1)


def test_without_the_api_server_targets_stay_and_nothing_is_lost(
    control_plane: ControlPlane, agent: Agent, apply_policy: Callable[..., str], run_pod: Callable[..., str]
) -> None:
    policy = apply_policy(rules=[BATCH])
    run_pod("batch", app="batch")
    agent.wait_until("a target", lambda: agent.target("batch").get("priority") == 10)
    before = (agent.inbox / "targets.json").read_bytes()
    agent.report()
    control_plane.stop_api_server()
    answered = len(control_plane.requests_of(USER_AGENT))
    try:
        agent.decide("20261124T015349.123Z-0001", "batch", "uid-1")
        agent.wait_until("all four watches noticed", lambda: _lost(agent) == 4)
        agent.stop()
        agent.start()
        agent.wait_until("all four lists tried again", lambda: _lost(agent) == 8)
        assert (agent.inbox / "targets.json").read_bytes() == before
    finally:
        control_plane.start_api_server()
    agent.wait_until("the Event", lambda: len(events(control_plane, agent.namespace)) == 1)
    run_pod("late", app="batch")
    agent.wait_until("a later pod", lambda: agent.target("late").get("priority") == 10)
    assert agent.policy() == policy
    check_that_it_came_back_gently(control_plane.requests_of(USER_AGENT)[answered:])


def check_that_it_came_back_gently(requests: list[dict[str, Any]]) -> None:
    """One list and one watch of each kind, one Event, and what is said of the node: no burst.

    A server that has just started may refuse kinds for a moment that it has not read yet.
    """
    answered = [each for each in requests if each["responseStatus"]["code"] < 400]
    asked = Counter((each["verb"], each["objectRef"]["resource"], each["stage"]) for each in answered)
    print("asked when the API server was back:", dict(asked))
    kinds = {"nodes", "namespaces", "pods", "oompolicies"}
    lists = {resource: count for (verb, resource, _), count in asked.items() if verb == "list"}
    watches = {resource: count for (verb, resource, _), count in asked.items() if verb == "watch"}
    assert lists == watches == dict.fromkeys(kinds, 1)
    assert len(requests) - len(answered) < MOST_WRITES
    assert sum(count for (verb, _, _), count in asked.items() if verb not in {"list", "watch"}) < MOST_WRITES


def _lost(agent: Agent) -> int:
    return sum(line["msg"].startswith("Lost the API server") for line in agent.log())


OVERRIDABLE = BATCH | {"override": {"minimum": 0, "maximum": 20}}


def annotated(agent: Agent, value: str) -> tuple[str, ...]:
    """Kubectl's words for saying a pod's priority."""
    return ("-n", agent.namespace, "annotate", "--overwrite", "pod", "batch", f"oompolicy.dev/priority={value}")


def test_a_pod_says_its_priority_itself_within_bounds_and_is_told_of_a_bad_value(
    control_plane: ControlPlane, agent: Agent, apply_policy: Callable[..., str], run_pod: Callable[..., str]
) -> None:
    agent.report()
    apply_policy(rules=[OVERRIDABLE])
    run_pod("batch", app="batch")
    control_plane.kubectl(*annotated(agent, "999"))
    agent.wait_until("clamped", lambda: agent.target("batch").get("priority") == 20)
    assert agent.target("batch")["source"] == "Override"
    control_plane.kubectl(*annotated(agent, "high"))
    agent.wait_until("back at the rule's", lambda: agent.target("batch").get("priority") == 10)
    where = ("-n", agent.namespace, "get", "events", "--field-selector=reason=OOMPolicyOverrideIgnored")
    agent.wait_until("told", lambda: "batch" in control_plane.kubectl(*where, "-o=name"))
    said = control_plane.kubectl(*where, "-o=jsonpath={.items[*].message}")
    assert (
        said == "Annotation oompolicy.dev/priority: expected a whole number from 0 to 20, found 'high'; it is ignored"
    )


def test_a_pod_that_is_being_deleted_is_told_as_terminating(
    control_plane: ControlPlane, agent: Agent, apply_policy: Callable[..., str], run_pod: Callable[..., str]
) -> None:
    apply_policy()
    run_pod("batch")
    agent.wait_until("known", lambda: bool(agent.target("batch")))
    control_plane.kubectl("-n", agent.namespace, "delete", "pod", "batch", "--wait=false")
    agent.wait_until("terminating", lambda: agent.target("batch").get("terminating") is True)


def test_a_policy_that_audits_is_told_beside_the_one_that_enforces(
    agent: Agent, apply_policy: Callable[..., str], run_pod: Callable[..., str]
) -> None:
    run_pod("batch", app="batch")
    acting = apply_policy("strict", rules=[BATCH])
    trial = apply_policy("trial", rules=[BATCH | {"priority": 500}], mode="Audit")
    agent.wait_until("both are told", lambda: "audit" in agent.targets() and agent.policy() == acting)
    audit = agent.targets()["audit"]
    assert (audit["policy"]["name"], audit["policy"]["mode"]) == (trial, "Audit")
    assert (agent.target("batch")["priority"], audit["pods"][0]["priority"]) == (10, 500)


@pytest.fixture
def later_crds(control_plane: ControlPlane) -> Iterator[None]:
    with next_version(control_plane):
        yield


@pytest.mark.usefixtures("later_crds")
def test_what_a_later_version_says_protects_and_is_reported(
    control_plane: ControlPlane, agent: Agent, apply_policy: Callable[..., str], run_pod: Callable[..., str]
) -> None:
    agent.report()
    everybody: dict[str, Any] = {"namespaceSelector": {}}
    policy = apply_policy(rules=[{"name": "later", "match": everybody, "protect": {"upTo": "Limit"}}], weather="fine")
    run_pod("batch")
    agent.wait_until("protected", lambda: agent.target("batch").get("protect") == "Always")
    where = ("get", "oomnode", agent.node, "--ignore-not-found", "-o=jsonpath={.status.problems}")
    problem = f"Policy {policy}, rule later: protect.upTo: expected Always or Request, found 'Limit'"
    agent.wait_until("reported", lambda: problem in control_plane.kubectl(*where))
