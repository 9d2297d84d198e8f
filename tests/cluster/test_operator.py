"""The real operator process with the rights that the chart gives it, against a real control plane.

There is no kubelet: the tests write what agents would write, with the agents' own rights.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from prometheus_client.parser import text_string_to_metric_families

from demo.story import wait_until
from lab.control_plane import ControlPlane, KubectlError
from operating.crds import next_version
from operating.given import PATIENCE, Given
from operating.process import AGENTS, Operator

pytestmark = pytest.mark.cluster


@pytest.fixture
def name(control_plane: ControlPlane) -> Iterator[str]:
    """A name of the test's own, for its policy, its node and the label that brings them together."""
    unique = f"t{uuid4().hex[:8]}"
    yield unique
    control_plane.kubectl("delete", "oomp,nodes,oomnodes", "-l", f"pool={unique}", "--ignore-not-found")


@pytest.fixture
def given(operator: Operator, name: str, tmp_path: Path) -> Given:
    return Given(operator.control_plane, name, tmp_path)


def test_policy_becomes_a_daemon_set_that_it_owns(given: Given, name: str) -> None:
    given.policy()
    given.wait("create", f"daemonset/oompolicy-{name}", "-n", AGENTS)
    owner = given.daemon_set()["metadata"]["ownerReferences"][0]
    assert (owner["kind"], owner["uid"]) == ("OOMPolicy", given.stored()["metadata"]["uid"])


def test_policy_without_nodes_says_so(given: Given) -> None:
    given.policy()
    given.wait("condition=Ready=False")
    assert given.conditions()["Ready"]["reason"] == "NoMatchingNodes"
    assert given.conditions()["Accepted"]["status"] == "True"
    assert given.stored()["status"]["nodes"]["desired"] == 0


def test_policy_is_ready_when_its_node_says_that_it_applies_it(given: Given) -> None:
    given.node()
    given.policy()
    agent = given.ready_agent()
    given.wait("jsonpath={.status.nodes.stale}=1")
    given.report(agent)
    given.wait("condition=Ready")
    status = given.stored()["status"]
    assert status["observedGeneration"] == given.stored()["metadata"]["generation"]
    assert status["nodes"] | {"desired": 1, "programmed": 1, "userspace": 1, "stale": 0} == status["nodes"]
    assert given.conditions()["Programmed"]["message"] == "1 of 1 nodes: 1 Userspace"


def test_new_generation_is_not_ready_before_its_node_applies_it(given: Given) -> None:
    given.node()
    given.policy()
    agent = given.ready_agent()
    given.report(agent)
    given.wait("condition=Ready")
    given.policy(defaultPriority=7)
    given.wait("condition=Ready=False")
    assert given.conditions()["Ready"]["message"] == "0 of 1 nodes: 1 pending"
    given.report(agent)
    given.wait("condition=Ready")


def test_node_where_nothing_works_makes_the_policy_unready_and_says_why(given: Given) -> None:
    given.node()
    given.policy()
    why = [{"backend": "Userspace", "reason": "CgroupV1", "message": "The node has cgroup v1"}]
    given.report(given.ready_agent(), backend="Off", reasons=why)
    given.wait("jsonpath={.status.nodes.off}=1")
    ready = given.conditions()["Ready"]
    assert (ready["status"], ready["reason"], ready["message"]) == (
        "False",
        "BackendOff",
        "1 of 1 nodes: 1 Off (CgroupV1)",
    )


def test_policy_of_higher_precedence_overrides(given: Given, name: str) -> None:
    given.node()
    given.policy()
    given.report(given.ready_agent())
    given.wait("condition=Ready")
    given.policy(f"{name}-canary", precedence=1)
    given.wait("jsonpath={.status.nodes.overridden}=1")
    assert given.conditions()["Programmed"]["reason"] == "Overridden"
    given.kubectl("delete", "oomp", f"{name}-canary")
    given.wait("jsonpath={.status.nodes.overridden}=0")
    given.wait("condition=Programmed")


def test_changed_daemon_set_is_put_back(given: Given, name: str) -> None:
    given.policy()
    given.wait("create", f"daemonset/oompolicy-{name}", "-n", AGENTS)
    wanted = given.daemon_set()["spec"]["template"]["spec"]["containers"][0]["image"]
    given.kubectl("-n", AGENTS, "set", "image", f"daemonset/oompolicy-{name}", "guard=example.com/other:1")
    where = "{.spec.template.spec.containers[0].image}"
    given.wait(f"jsonpath={where}={wanted}", f"daemonset/oompolicy-{name}", "-n", AGENTS)


def test_deleted_daemon_set_is_made_again(given: Given, name: str) -> None:
    given.policy()
    given.wait("create", f"daemonset/oompolicy-{name}", "-n", AGENTS)
    before = given.daemon_set()["metadata"]["uid"]
    given.kubectl("-n", AGENTS, "delete", "daemonset", f"oompolicy-{name}")
    given.wait("create", f"daemonset/oompolicy-{name}", "-n", AGENTS)
    assert given.daemon_set()["metadata"]["uid"] != before


def test_operator_keeps_nothing_in_the_policy_of_its_user(given: Given) -> None:
    given.policy()
    given.wait("condition=Accepted")
    metadata = given.stored()["metadata"]
    assert metadata.get("finalizers", []) == []
    assert metadata.get("annotations", {}) == {}


def test_deleting_a_policy_removes_its_agents_without_any_operator(given: Given, name: str, operator: Operator) -> None:
    given.policy()
    given.wait("create", f"daemonset/oompolicy-{name}", "-n", AGENTS)
    operator.stop()
    try:
        given.kubectl("delete", "oomp", name, PATIENCE)
        given.wait("delete", f"daemonset/oompolicy-{name}", "-n", AGENTS)
    finally:
        operator.start()


def test_restarted_operator_writes_nothing_when_nothing_has_changed(
    given: Given, name: str, operator: Operator
) -> None:
    given.node()
    given.policy()
    given.report(given.ready_agent())
    given.wait("condition=Ready")
    before = (given.stored()["metadata"]["resourceVersion"], given.daemon_set()["metadata"]["resourceVersion"])
    operator.stop()
    operator.start()
    given.policy(f"{name}-later")
    given.wait("condition=Accepted", f"oomp/{name}-later")
    after = (given.stored()["metadata"]["resourceVersion"], given.daemon_set()["metadata"]["resourceVersion"])
    assert after == before


@pytest.fixture
def has_daemon_set(given: Given, name: str, operator: Operator) -> Callable[[], bool]:
    """Whether the policy has its DaemonSet.

    An operator that ended because its Lease was not renewed in time is started again first, as by kubelet.
    """

    def asked() -> bool:
        if operator.process and not operator.process.alive():
            assert "was not renewed" in operator.lines()[-1]["err"]
            operator.launch()
        found = ("daemonset", f"oompolicy-{name}", "--ignore-not-found", "-o", "name")
        return bool(given.kubectl("-n", AGENTS, "get", *found))

    return asked


def test_operator_outlives_an_absent_api_server(
    given: Given, name: str, control_plane: ControlPlane, has_daemon_set: Callable[[], bool]
) -> None:
    given.policy()
    given.wait("condition=Accepted")
    control_plane.stop_api_server()
    control_plane.start_api_server()
    given.kubectl("-n", AGENTS, "delete", "daemonset", f"oompolicy-{name}")
    wait_until("the DaemonSet is there again", has_daemon_set)


def test_what_was_deleted_while_the_operator_could_not_watch_is_gone_for_it_too(
    given: Given, name: str, control_plane: ControlPlane, operator: Operator, has_daemon_set: Callable[[], bool]
) -> None:
    """A new API server does not remember what happened before it, so a watch has to begin anew with a list."""

    def is_mended() -> bool:
        return has_daemon_set() and given.stored()["status"]["nodes"]["overridden"] == 0

    given.node()
    given.policy()
    given.policy(f"{name}-canary", precedence=1)
    given.wait("jsonpath={.status.nodes.overridden}=1")
    assert operator.process
    with operator.process.standing_still():
        control_plane.stop_api_server()
        control_plane.start_api_server()
        given.kubectl("-n", AGENTS, "delete", "daemonset", f"oompolicy-{name}")
        given.kubectl("delete", "oomp", f"{name}-canary")
    wait_until("the DaemonSet is there again, and the policy counts", is_mended)


def test_newer_numbers_from_a_node_cause_no_write(given: Given, name: str) -> None:
    given.node()
    given.policy()
    agent = given.ready_agent()
    given.report(agent)
    given.wait("condition=Ready")
    before = given.stored()["metadata"]["resourceVersion"]
    for margin in range(5):
        given.report(agent, marginBytes=margin)
    given.policy(f"{name}-later")
    given.wait("condition=Accepted", f"oomp/{name}-later")
    # this one counts the node too, so it was looked at after the reports
    assert given.stored(f"{name}-later")["status"]["nodes"]["overridden"] == 1
    assert given.stored()["metadata"]["resourceVersion"] == before


def test_getting_ready_is_an_event_that_describe_shows(given: Given, name: str) -> None:
    given.node()
    given.policy()
    given.report(given.ready_agent())
    given.wait("condition=Ready")
    event = f"involvedObject.name={name},reason=Ready"
    given.until("there is an Event", lambda: given.kubectl("get", "events", "--field-selector", event, "-o", "name"))
    assert "1 of 1 nodes: 1 Userspace" in given.kubectl("describe", "oomp", name).rpartition("Events:")[2]


def test_log_lines_are_json_and_name_their_policy(given: Given, name: str, operator: Operator) -> None:
    given.policy()
    given.wait("condition=Accepted")
    mine = [line for line in operator.lines() if line.get("policy") == name]
    assert {line["msg"] for line in mine} >= {"Applied DaemonSet"}
    assert all({"ts", "level", "msg", "logger"} <= line.keys() for line in operator.lines())


def test_agent_writes_its_own_node_and_no_other(given: Given, name: str) -> None:
    given.node()
    as_agent = f"--kubeconfig={given.agent_kubeconfig(name)}"
    own, foreign = (
        json.dumps({"apiVersion": "oompolicy.dev/v1alpha1", "kind": "OOMNode", "metadata": {"name": each}})
        for each in (name, f"{name}-other")
    )
    given.kubectl(as_agent, "create", "-f", "-", input=own)
    with pytest.raises(KubectlError, match=f'expected "{name}", found "{name}-other"'):
        given.kubectl(as_agent, "create", "-f", "-", input=foreign)
    given.kubectl("create", "-f", "-", input=foreign)
    try:
        status = ("--subresource=status", "--type=merge", "-p", '{"status": {"kills": 1}}')
        given.kubectl(as_agent, "patch", "oomnode", name, *status)
        with pytest.raises(KubectlError, match="its own node"):
            given.kubectl(as_agent, "patch", "oomnode", f"{name}-other", *status)
        with pytest.raises(KubectlError, match="its own node"):
            given.kubectl(as_agent, "label", "oomnode", f"{name}-other", "a=b")
        with pytest.raises(KubectlError, match="forbidden"):
            given.kubectl(as_agent, "delete", "oomnode", f"{name}-other")
    finally:
        given.kubectl("delete", "oomnode", f"{name}-other")


def test_agent_whose_token_names_no_node_writes_nothing(given: Given, name: str) -> None:
    node = {"apiVersion": "oompolicy.dev/v1alpha1", "kind": "OOMNode", "metadata": {"name": name}}
    with pytest.raises(KubectlError, match="its own node"):
        given.kubectl(f"--kubeconfig={given.agent_kubeconfig()}", "create", "-f", "-", input=json.dumps(node))


def test_agent_that_was_given_every_right_still_touches_no_other_node(given: Given, name: str) -> None:
    given.node()
    other = {"apiVersion": "oompolicy.dev/v1alpha1", "kind": "OOMNode", "metadata": {"name": f"{name}-other"}}
    given.kubectl("create", "-f", "-", input=json.dumps(other))
    with given.agent_with_every_right() as as_agent, pytest.raises(KubectlError, match="its own node"):
        given.kubectl(as_agent, "delete", "oomnode", f"{name}-other")
    given.kubectl("delete", "oomnode", f"{name}-other")


def test_operator_killed_at_any_moment_leaves_nothing_undone(given: Given, name: str, operator: Operator) -> None:
    """Before it has written anything, after the DaemonSet, and after the status."""
    given.node()
    moments: tuple[Callable[[str], None], ...] = (
        lambda _: None,
        lambda policy: given.wait("create", f"daemonset/oompolicy-{policy}", "-n", AGENTS),
        lambda policy: given.wait("condition=Accepted", f"oomp/{policy}"),
    )
    policies = [f"{name}-{number}" for number in range(len(moments))]
    for policy, until_then in zip(policies, moments, strict=True):
        given.policy(policy)
        until_then(policy)
        operator.kill()
        operator.start()
    for policy in policies:
        given.wait("condition=Accepted", f"oomp/{policy}")
        given.wait("create", f"daemonset/oompolicy-{policy}", "-n", AGENTS)
        assert given.stored(policy)["status"]["nodes"]["desired"] == 1


def test_policies_deleted_while_they_are_worked_on_leave_nothing_behind(given: Given, name: str) -> None:
    for _ in range(5):
        given.policy()
        given.kubectl("delete", "oomp", name)
    given.policy()
    given.wait("condition=Accepted")
    given.wait("create", f"daemonset/oompolicy-{name}", "-n", AGENTS)
    owner = given.daemon_set()["metadata"]["ownerReferences"]
    assert [each["uid"] for each in owner] == [given.stored()["metadata"]["uid"]]


def test_crds_are_upgraded_under_the_operator(given: Given, name: str, control_plane: ControlPlane) -> None:
    """With another schema the API server begins all watches of the kind anew."""
    given.policy()
    given.wait("condition=Accepted")
    with next_version(control_plane):
        given.policy(f"{name}-next", weather="fine")
        given.wait("condition=Accepted", f"oomp/{name}-next")
        given.wait("create", f"daemonset/oompolicy-{name}-next", "-n", AGENTS)
        assert given.stored(f"{name}-next")["spec"]["weather"] == "fine"


def test_metrics_count_the_nodes_of_each_policy_until_it_is_gone(given: Given, name: str, operator: Operator) -> None:
    def value(metric: str, **labels: str) -> float | None:
        families = text_string_to_metric_families(operator.ask("metrics"))
        found = [each for family in families for each in family.samples if each.name == metric]
        return next((each.value for each in found if labels.items() <= each.labels.items()), None)

    given.node()
    given.policy()
    given.report(given.ready_agent())
    given.wait("condition=Ready")
    nodes, condition = "oompolicy_operator_policy_nodes", "oompolicy_operator_policy_condition"
    given.until("the metrics follow", lambda: value(condition, policy=name, type="Ready") == 1)
    assert value(nodes, policy=name, state="programmed") == value(nodes, policy=name, state="userspace") == 1
    assert value("oompolicy_operator_leading") == 1
    assert (value("oompolicy_operator_work_duration_seconds_count", queue="policy", result="Done") or 0) >= 1
    given.kubectl("delete", "oomp", name)
    given.until("it is not counted any more", lambda: value(nodes, policy=name) is None)
