"""The DaemonSet, field by field where it matters, and as a whole beside its golden YAML.

To accept a change of the whole on purpose, write `yaml.safe_dump(daemon_set_for(...))` over the file and read its diff.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml

from oompolicy_api.policy import OOMPolicy
from oompolicy_operator.confinement import GUARD_CAPABILITIES
from oompolicy_operator.manifests import daemon_set_for, daemon_set_name
from oompolicy_operator.settings import AgentSettings

GOLDEN = Path(__file__).parents[1] / "data" / "manifests"
AGENT = AgentSettings.model_validate(
    {
        "namespace": "oompolicy-agents",
        "image": "registry.example.com/oompolicy/agent:1.0.0",
        "imagePullSecrets": [{"name": "registry"}],
        "guard": {"resources": {"requests": {"cpu": "10m", "memory": "96Mi"}, "limits": {"memory": "96Mi"}}},
        "sync": {"resources": {"requests": {"cpu": "10m", "memory": "192Mi"}, "limits": {"memory": "192Mi"}}},
    }
)


def policy(name: str = "mixed", **spec: Any) -> OOMPolicy:  # noqa: ANN401 - any field of a spec
    metadata = {"name": name, "uid": "6f1c2d3e-0000-4000-8000-000000000001", "generation": 3}
    return OOMPolicy.parse({"metadata": metadata, "spec": spec})


@pytest.mark.parametrize(
    ("file_name", "made_for"),
    [
        pytest.param("everywhere.yaml", policy(), id="everywhere"),
        pytest.param(
            "one-pool.yaml",
            policy(
                nodeSelector={
                    "matchLabels": {"pool": "mixed"},
                    "matchExpressions": [{"key": "spot", "operator": "DoesNotExist"}],
                }
            ),
            id="one-pool",
        ),
    ],
)
def test_whole_manifest_is_the_golden_one(file_name: str, made_for: OOMPolicy) -> None:
    assert daemon_set_for(made_for, AGENT) == yaml.safe_load((GOLDEN / file_name).read_text())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("mixed", "oompolicy-mixed", id="short"),
        pytest.param("a" * 53, "oompolicy-" + "a" * 53, id="just-fits"),
        pytest.param("a" * 54, "oompolicy-" + "a" * 44 + "-a3f01b69", id="too-long"),
        pytest.param("a" * 43 + "." + "b" * 19, "oompolicy-" + "a" * 43 + "-52114fbf", id="cut-at-a-dot"),
    ],
)
def test_name_is_a_label_and_never_changes_with_a_release(name: str, expected: str) -> None:
    assert daemon_set_name(name) == expected
    assert len(expected) <= 63


def test_long_names_that_begin_alike_do_not_collide() -> None:
    assert daemon_set_name("a" * 62 + "b") != daemon_set_name("a" * 62 + "c")


def containers() -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in daemon_set_for(policy(), AGENT)["spec"]["template"]["spec"]["containers"]}


def template(**agent: Any) -> dict[str, Any]:  # noqa: ANN401 - any field of spec.agent
    found: dict[str, Any] = daemon_set_for(policy(agent=agent), AGENT)["spec"]
    return found


def test_a_policy_chooses_resources_amount_by_amount() -> None:
    spec = template(resources={"guard": {"limits": {"memory": "200Mi", "cpu": 1}}})["template"]["spec"]
    guard, sync = spec["containers"]
    assert guard["resources"] == {
        "requests": {"cpu": "10m", "memory": "96Mi"},
        "limits": {"memory": "200Mi", "cpu": 1},
    }
    assert sync["resources"] == AGENT.sync.resources


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        pytest.param(None, [{"operator": "Exists"}], id="absent-tolerates-everything"),
        pytest.param([], [], id="empty-tolerates-nothing"),
        pytest.param(
            [{"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}],
            [{"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}],
            id="as-in-a-pod",
        ),
    ],
)
def test_a_policy_chooses_tolerations(chosen: Any, expected: list[dict[str, Any]]) -> None:  # noqa: ANN401 - a list or none
    agent = {} if chosen is None else {"tolerations": chosen}
    assert template(**agent)["template"]["spec"]["tolerations"] == expected


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        pytest.param({}, {"maxSurge": 1, "maxUnavailable": 0}, id="absent"),
        pytest.param({"maxSurge": "10%"}, {"maxSurge": "10%", "maxUnavailable": 0}, id="share"),
        pytest.param({"maxSurge": 5}, {"maxSurge": 5, "maxUnavailable": 0}, id="number"),
        pytest.param({"maxSurge": "5"}, {"maxSurge": 5, "maxUnavailable": 0}, id="number-in-quotes"),
        pytest.param({"type": "OnDelete", "maxSurge": 5}, None, id="on-delete"),
    ],
)
def test_an_update_leaves_no_node_without_an_agent(chosen: dict[str, Any], expected: dict[str, Any] | None) -> None:
    found = template(updateStrategy=chosen)["updateStrategy"]
    assert found == ({"type": "RollingUpdate", "rollingUpdate": expected} if expected else {"type": "OnDelete"})


def test_both_containers_log_as_the_policy_says() -> None:
    for container in template(logLevel="Warning")["template"]["spec"]["containers"]:
        assert {"name": "OOMPOLICY_LOG_LEVEL", "value": "Warning"} in container["env"]


def test_rules_and_mode_leave_the_pods_as_they_are() -> None:
    changed = policy(mode="Off", rules=[{"name": "a", "match": {}, "priority": 1}], trigger={"memoryAvailable": "5%"})
    assert daemon_set_for(changed, AGENT)["spec"] == daemon_set_for(policy(), AGENT)["spec"]


def test_guard_has_no_token_and_sync_no_way_to_the_host() -> None:
    mounts = {name: {mount["name"] for mount in each["volumeMounts"]} for name, each in containers().items()}
    assert mounts == {"guard": {"cgroup", "runtime", "state"}, "sync": {"inbox", "outbox", "token"}}


def test_guard_is_not_privileged_and_every_capability_has_a_reason() -> None:
    context = containers()["guard"]["securityContext"]
    assert (context["privileged"], context["allowPrivilegeEscalation"]) == (False, False)
    assert context["capabilities"] == {"drop": ["ALL"], "add": list(GUARD_CAPABILITIES)}
    assert all(GUARD_CAPABILITIES.values())


def test_sync_reads_the_outbox_and_writes_the_inbox() -> None:
    mounts = {each["name"]: each for each in containers()["sync"]["volumeMounts"]}
    assert mounts["outbox"]["readOnly"] is True
    assert "readOnly" not in mounts["inbox"]


def test_sync_alone_answers_prometheus_and_only_if_it_is_told_where() -> None:
    agent = AGENT.model_copy(update={"metrics_port": 8081})
    guard, sync = daemon_set_for(policy(), agent)["spec"]["template"]["spec"]["containers"]
    assert sync["ports"] == [{"name": "metrics", "containerPort": 8081, "protocol": "TCP"}]
    assert {"name": "METRICS_PORT", "value": "8081"} in sync["env"]
    assert "ports" not in guard
    assert "METRICS_PORT" not in {each["name"] for each in guard["env"]}
    assert "ports" not in containers()["sync"]


def test_guard_runs_in_the_group_of_sync_which_may_then_write_its_inbox() -> None:
    contexts = {name: each["securityContext"] for name, each in containers().items()}
    assert contexts["guard"]["runAsGroup"] == contexts["sync"]["runAsGroup"] == contexts["sync"]["runAsUser"]


def test_without_pull_secrets_there_is_no_such_field() -> None:
    plain = AgentSettings(namespace="a", image="i")
    assert "imagePullSecrets" not in daemon_set_for(policy(), plain)["spec"]["template"]["spec"]
