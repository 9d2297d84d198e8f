"""What the chart renders and refuses. That it installs is shown on a real control plane, in tests/cluster."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from chart import CHART, Object, helm, rendered
from oompolicy_api.policy import OOMPolicy
from oompolicy_operator.confinement import GUARD_CAPABILITIES
from oompolicy_operator.manifests import daemon_set_for
from oompolicy_operator.settings import AgentSettings, Settings

ROOT = Path(__file__).parents[2]
CRDS = sorted((ROOT / "crds").glob("*.yaml"))


def one(objects: list[Object], kind: str, name: str) -> Object:
    found = [each for each in objects if each["kind"] == kind and each["metadata"]["name"] == name]
    assert len(found) == 1, [(each["kind"], each["metadata"]["name"]) for each in objects]
    return found[0]


def crds(objects: list[Object]) -> dict[str, Object]:
    return {each["metadata"]["name"]: each for each in objects if each["kind"] == "CustomResourceDefinition"}


def test_chart_has_nothing_that_lint_warns_of() -> None:
    result = helm("lint", "--strict", CHART)
    assert result.returncode == 0, result.stdout
    assert "[WARNING]" not in result.stdout


@pytest.mark.parametrize("path", CRDS, ids=lambda path: path.name)
def test_chart_carries_the_canonical_crd_byte_for_byte(path: Path) -> None:
    copy = CHART / "files" / "crds" / path.name
    assert copy.read_bytes() == path.read_bytes(), f"cp {path} {copy}"


def test_rendered_crds_say_what_the_canonical_ones_say() -> None:
    canonical = {each["metadata"]["name"]: each["spec"] for each in map(yaml.safe_load, (p.read_text() for p in CRDS))}
    assert {name: each["spec"] for name, each in crds(rendered()).items()} == canonical


def test_crds_outlive_the_release_unless_told_otherwise() -> None:
    policy = "helm.sh/resource-policy"
    assert all(each["metadata"]["annotations"][policy] == "keep" for each in crds(rendered()).values())
    assert all("annotations" not in each["metadata"] for each in crds(rendered("crds.keep=false")).values())


def test_crds_can_be_left_to_somebody_else() -> None:
    assert crds(rendered("crds.install=false")) == {}


@pytest.mark.parametrize(
    ("value", "field"),
    [
        pytest.param("operator.replicas=2", "replicas", id="unknown-in-a-section"),
        pytest.param("agents.namespace=a", "agents", id="unknown-section"),
        pytest.param("agent.image.repo=a", "repo", id="unknown-in-an-image"),
        pytest.param("agent.guard.securityContext.privileged=true", "securityContext", id="widened-privileges"),
        pytest.param("agent.guard.resources.limit.memory=1Gi", "limit", id="misspelt-limits"),
        pytest.param("operator.logLevel=Loud", "logLevel", id="unknown-level"),
        pytest.param("agent.image.pullPolicy=Sometimes", "pullPolicy", id="unknown-pull-policy"),
        pytest.param("agent.stateDirectory=var/lib", "stateDirectory", id="path-is-not-absolute"),
        pytest.param("agent.metricsPort=65536", "metricsPort", id="no-port"),
        pytest.param("agent.namespace=Agents", "namespace", id="no-name-of-a-namespace"),
        pytest.param("crds.install=maybe", "install", id="no-boolean"),
    ],
)
def test_wrong_value_is_refused_by_its_name(value: str, field: str) -> None:
    result = helm("template", "oompolicy", CHART, f"--set={value}")
    assert result.returncode != 0
    assert field in result.stderr


def settings(tmp_path: Path, *values: str) -> Settings:
    path = tmp_path / "operator.yaml"
    path.write_text(one(rendered(*values), "ConfigMap", "oompolicy-operator")["data"]["operator.yaml"])
    return Settings.load(path)


def test_operator_understands_the_settings_of_the_chart(tmp_path: Path) -> None:
    found = settings(tmp_path)
    assert found.agent.namespace == "oompolicy-agents"
    assert found.agent.guard.resources["limits"]["memory"] == found.agent.guard.resources["requests"]["memory"]


def test_every_value_of_the_agents_reaches_the_operator(tmp_path: Path) -> None:
    found = settings(
        tmp_path,
        "agent.namespace=elsewhere",
        "agent.image.repository=registry/agent",
        "agent.image.tag=v2",
        "agent.image.pullPolicy=Never",
        "agent.stateDirectory=/srv/oompolicy",
        "agent.metricsPort=9000",
        "agent.sync.resources.limits.memory=1Gi",
        "imagePullSecrets[0].name=registry",
        "operator.logLevel=Debug",
    )
    assert (found.agent.namespace, found.agent.image) == ("elsewhere", "registry/agent:v2")
    assert (found.agent.image_pull_policy, found.agent.state_directory) == ("Never", "/srv/oompolicy")
    assert found.agent.metrics_port == 9000
    assert found.agent.sync.resources["limits"] == {"memory": "1Gi"}
    assert [each.name for each in found.agent.image_pull_secrets] == ["registry"]
    assert found.log_level == "Debug"


def test_new_settings_make_a_new_pod() -> None:
    def checksum(*values: str) -> str:
        template = one(rendered(*values), "Deployment", "oompolicy-operator")["spec"]["template"]
        return str(template["metadata"]["annotations"]["checksum/config"])

    assert checksum() != checksum("agent.image.tag=v2")
    assert checksum() == checksum("operator.nodeSelector.pool=infra")


def test_never_two_operators_at_a_time() -> None:
    spec = one(rendered(), "Deployment", "oompolicy-operator")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def rules(kind: str, name: str) -> set[tuple[str, str, str]]:
    return {
        (group, resource, verb)
        for rule in one(rendered(), kind, name)["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def watched(group: str, *resources: str) -> set[tuple[str, str, str]]:
    return {(group, resource, verb) for resource in resources for verb in ("get", "list", "watch")}


def test_operator_may_do_what_it_does_and_no_more() -> None:
    own = "oompolicy.dev"
    cluster = watched(own, "oompolicies", "oomnodes") | watched("", "nodes") | {(own, "oompolicies/status", "patch")}
    assert rules("ClusterRole", "oompolicy-operator") == cluster | {
        ("", "pods", "get"),
        ("", "pods/eviction", "create"),
    }
    makes = {("apps", "daemonsets", verb) for verb in ("create", "patch")}
    assert rules("Role", "oompolicy-operator") == watched("apps", "daemonsets") | watched("", "pods") | makes
    keeps = {(own, "oomdecisions", "delete"), (own, "oomdecisions/status", "patch")}
    assert rules("Role", "oompolicy-operator-decisions") == watched(own, "oomdecisions") | keeps
    leads = {("coordination.k8s.io", "leases", verb) for verb in ("create", "get", "update")}
    assert rules("Role", "oompolicy-operator-cluster") == {("", "events", "create")} | leads


def test_agent_may_do_what_it_does_and_no_more() -> None:
    own = "oompolicy.dev"
    writes = {(own, each, verb) for each in ("oomnodes", "oomnodes/status") for verb in ("create", "update", "patch")}
    reads = watched("", "pods", "namespaces", "nodes") | watched(own, "oompolicies")
    reads |= {(own, "oomnodes", "get"), (own, "oomnodes/status", "get"), ("", "nodes/configz", "get")}
    assert rules("ClusterRole", "oompolicy-agent") == reads | writes | {("", "events", v) for v in ("create", "patch")}
    assert rules("Role", "oompolicy-agent") == {("apps", "daemonsets", "list")}
    assert rules("Role", "oompolicy-agent-decisions") == {(own, "oomdecisions", "create")}


def test_agents_live_in_a_namespace_of_their_own_that_admits_them() -> None:
    labels = one(rendered("agent.namespace=elsewhere"), "Namespace", "elsewhere")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "privileged"


def test_admission_policy_speaks_of_the_agents_account_wherever_it_lives() -> None:
    policy = one(rendered("agent.namespace=elsewhere"), "ValidatingAdmissionPolicy", "oompolicy-agent-own-node")
    assert "system:serviceaccount:elsewhere:oompolicy-agent" in json.dumps(policy["spec"]["matchConditions"])


def test_openshift_admits_what_an_agents_pod_asks_for_and_no_more() -> None:
    found = one(rendered("openshift.enabled=true"), "SecurityContextConstraints", "oompolicy-agent")
    assert set(found["allowedCapabilities"]) == GUARD_CAPABILITIES.keys()
    assert found["users"] == ["system:serviceaccount:oompolicy-agents:oompolicy-agent"]
    pod = agents_template()["spec"]
    assert pod["hostPID"] is found["allowHostPID"] is True
    assert {kind for volume in pod["volumes"] for kind in volume if kind != "name"} == set(found["volumes"])


def agents_template(**settings: int) -> Object:
    policy = OOMPolicy.parse({"metadata": {"name": "a"}, "spec": {}})
    agent = AgentSettings(namespace="agents", image="agent:1", **settings)
    found: Object = daemon_set_for(policy, agent)["spec"]["template"]
    return found


def operators_template() -> Object:
    found: Object = one(rendered(), "Deployment", "oompolicy-operator")["spec"]["template"]
    return found


@pytest.mark.parametrize(
    ("name", "namespace", "template"),
    [
        pytest.param("oompolicy-operator", "oompolicy-system", operators_template, id="operator"),
        pytest.param("oompolicy-agents", "oompolicy-agents", lambda: agents_template(metrics_port=1), id="agents"),
    ],
)
def test_prometheus_is_told_where_to_ask_if_one_wants_it(
    name: str, namespace: str, template: Callable[[], Object]
) -> None:
    found = one(rendered("podMonitor.enabled=true", "podMonitor.labels.release=mine"), "PodMonitor", name)
    assert (found["metadata"]["labels"]["release"], found["metadata"]["namespace"]) == ("mine", namespace)
    (endpoint,) = found["spec"]["podMetricsEndpoints"]
    pod = template()
    ports = {port["name"] for container in pod["spec"]["containers"] for port in container.get("ports", ())}
    assert endpoint["port"] in ports
    assert found["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()


def test_agents_that_answer_nowhere_are_not_asked() -> None:
    objects = rendered("podMonitor.enabled=true", "networkPolicy.enabled=true", "agent.metricsPort=0")
    assert [each["metadata"]["name"] for each in objects if each["kind"] == "PodMonitor"] == ["oompolicy-operator"]
    assert "ingress" not in one(objects, "NetworkPolicy", "oompolicy-agents")["spec"]


@pytest.mark.parametrize(("name", "of", "writes"), [("viewer", "view", False), ("editor", "edit", True)])
def test_people_get_roles_that_are_part_of_kubernetes_own(name: str, of: str, *, writes: bool) -> None:
    found = one(rendered(), "ClusterRole", f"oompolicy-{name}")
    assert found["metadata"]["labels"][f"rbac.authorization.k8s.io/aggregate-to-{of}"] == "true"
    policies, reports = found["rules"]
    assert (policies["resources"], "update" in policies["verbs"]) == (["oompolicies"], writes)
    assert (reports["resources"], reports["verbs"]) == (["oomnodes", "oomdecisions"], ["get", "list", "watch"])


def test_aggregation_can_be_left_to_somebody_else() -> None:
    labels = one(rendered("rbac.aggregate=false"), "ClusterRole", "oompolicy-editor")["metadata"]["labels"]
    assert not [label for label in labels if "aggregate-to" in label]


def test_traffic_is_restricted_only_where_somebody_asks_for_it() -> None:
    assert not [each for each in rendered() if each["kind"] == "NetworkPolicy"]
    objects = rendered("networkPolicy.enabled=true", "agent.namespace=elsewhere")
    agents, operator = (one(objects, "NetworkPolicy", f"oompolicy-{name}") for name in ("agents", "operator"))
    assert agents["metadata"]["namespace"] == "elsewhere"
    assert agents["spec"]["ingress"] == [{"ports": [{"protocol": "TCP", "port": "metrics"}]}]
    pods = one(objects, "Deployment", "oompolicy-operator")["spec"]["template"]["metadata"]["labels"]
    assert operator["spec"]["podSelector"]["matchLabels"].items() <= pods.items()
    assert {port["port"] for port in agents["spec"]["egress"][0]["ports"]} == {53, 443, 6443, 10250}
