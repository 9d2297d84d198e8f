"""What each pod's target is under one policy."""

from typing import Any

import pytest

from oompolicy_agent.pods import parse_pod
from oompolicy_agent.resolve import Resolution, Target, resolve
from oompolicy_api.policy import OOMPolicy

KUBE_SYSTEM: dict[str, Any] = {"namespace": "kube-system"}
MIRROR = {
    "kubernetes.io/config.mirror": "aa11",
    "kubernetes.io/config.hash": "aa11",
    "kubernetes.io/config.source": "file",
}


def policy(*rules: dict[str, Any], **spec: Any) -> OOMPolicy:  # noqa: ANN401 - any part of a spec
    """A policy with these rules, each named by its place unless it has a name."""
    named = [{"name": f"rule-{i}", "match": {}, **rule} for i, rule in enumerate(rules)]
    return OOMPolicy.parse({"metadata": {"name": "mixed"}, "spec": {"rules": named, **spec}})


def pod(**parts: Any) -> dict[str, Any]:  # noqa: ANN401 - any part of a pod
    """A pod `p` in namespace `shop`; what is not of the metadata or the status goes to its spec."""
    metadata = {"namespace": "shop", "name": "p", "uid": "u-1"}
    metadata |= {key: parts.pop(key) for key in ("namespace", "labels", "annotations") if key in parts}
    status = {"phase": parts.pop("phase", "Running"), "qosClass": parts.pop("qos", None)}
    return {"metadata": metadata, "status": status, "spec": parts}


def resolution(of: OOMPolicy, body: dict[str, Any], namespaces: dict[str, dict[str, str]] | None = None) -> Resolution:
    return resolve(of, [parse_pod(body)], namespaces or {})


def target(of: OOMPolicy, body: dict[str, Any], namespaces: dict[str, dict[str, str]] | None = None) -> Target:
    """The one target; fails the test when there was a problem."""
    result = resolution(of, body, namespaces)
    assert result.problems == ()
    (only,) = result.targets
    return only


def verdict(given: Target) -> tuple[int | None, str | None, str | None, str]:
    return (given.priority, given.protect, given.rule, given.source)


APP = {"podSelector": {"matchLabels": {"app": "db"}}}
DATA = {"namespaceSelector": {"matchLabels": {"tier": "data"}}}
NOT_APP = {"podSelector": {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["db"]}]}}
DB_POD: dict[str, Any] = {"labels": {"app": "db"}}


@pytest.mark.parametrize(
    ("given", "body", "expected"),
    [
        pytest.param(policy(), pod(), (0, None, None, "Default"), id="no-rule-counts-as-zero"),
        pytest.param(policy(defaultPriority=-7), pod(), (-7, None, None, "Default"), id="no-rule-takes-the-default"),
        pytest.param(policy({"priority": 5}), pod(), (5, None, "rule-0", "Rule"), id="empty-match-is-any-pod"),
        pytest.param(policy({"priority": 0}), pod(), (0, None, "rule-0", "Rule"), id="zero-is-a-priority"),
        pytest.param(
            policy({"match": APP, "priority": 9}, {"priority": 1}),
            pod(**DB_POD),
            (9, None, "rule-0", "Rule"),
            id="first-match-wins",
        ),
        pytest.param(
            policy({"match": APP, "priority": 9}, {"priority": 1}),
            pod(),
            (1, None, "rule-1", "Rule"),
            id="second-matches",
        ),
        pytest.param(
            policy({"match": APP | DATA, "priority": 9}),
            pod(**DB_POD),
            (0, None, None, "Default"),
            id="both-must-match",
        ),
        pytest.param(
            policy({"match": DATA, "protect": {"upTo": "Always"}}),
            pod(),
            (0, None, None, "Default"),
            id="other-namespace",
        ),
        pytest.param(
            policy({"match": DATA, "protect": {"upTo": "Request"}}),
            pod(namespace="ledger"),
            (None, "Request", "rule-0", "Rule"),
            id="protect-up-to-request",
        ),
        pytest.param(
            policy({"match": DATA, "protect": {"upTo": "Always"}}),
            pod(namespace="ledger"),
            (None, "Always", "rule-0", "Rule"),
            id="protect-always",
        ),
        pytest.param(
            policy({"match": NOT_APP, "priority": 3}),
            pod(**DB_POD),
            (0, None, None, "Default"),
            id="expressions-count",
        ),
    ],
)
def test_the_first_rule_that_matches_decides(
    given: OOMPolicy, body: dict[str, Any], expected: tuple[int | None, str | None, str | None, str]
) -> None:
    assert verdict(target(given, body, {"ledger": {"tier": "data"}})) == expected


@pytest.mark.parametrize(
    ("spec_priority", "expected"),
    [
        pytest.param({"priority": 300}, 300, id="within"),
        pytest.param({"priority": 1_000_000_000}, 800, id="above"),
        pytest.param({"priority": -5_000}, -100, id="below"),
        pytest.param({}, 0, id="none-counts-as-zero"),
    ],
)
def test_the_pods_own_priority_is_clamped(spec_priority: dict[str, Any], expected: int) -> None:
    rule = {"priorityFrom": {"source": "PodPriority", "minimum": -100, "maximum": 800}}
    assert verdict(target(policy(rule), pod(**spec_priority))) == (expected, None, "rule-0", "Rule")


@pytest.mark.parametrize(
    ("match", "body", "expected"),
    [
        pytest.param({"priorityClassNames": ["gold"]}, pod(priorityClassName="gold"), True, id="its-class"),
        pytest.param({"priorityClassNames": ["gold"]}, pod(priorityClassName="iron"), False, id="another-class"),
        pytest.param({"priorityClassNames": ["gold"]}, pod(), False, id="no-class"),
        pytest.param({"qosClasses": ["Burstable", "BestEffort"]}, pod(qos="BestEffort"), True, id="its-qos-class"),
        pytest.param({"qosClasses": ["Guaranteed"]}, pod(qos="BestEffort"), False, id="another-qos-class"),
        pytest.param(
            {"qosClasses": ["Guaranteed"], "priorityClassNames": ["a"]},
            pod(qos="Guaranteed"),
            False,
            id="all-must-hold",
        ),
    ],
)
def test_a_rule_may_ask_for_classes(match: dict[str, Any], body: dict[str, Any], *, expected: bool) -> None:
    assert (target(policy({"match": match, "priority": 9}), body).rule is not None) is expected


OVERRIDE = {"priority": 5, "override": {"minimum": -10, "maximum": 10}}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        pytest.param("7", (7, "Override"), id="within"),
        pytest.param("+7", (7, "Override"), id="with-a-sign"),
        pytest.param("-99", (-10, "Override"), id="below"),
        pytest.param("2000000000", (10, "Override"), id="above"),
        pytest.param(None, (5, "Rule"), id="nothing"),
    ],
)
def test_a_pod_may_say_its_priority_itself_within_bounds(wanted: str | None, expected: tuple[int, str]) -> None:
    annotations = {} if wanted is None else {"oompolicy.dev/priority": wanted}
    found = target(policy(OVERRIDE), pod(annotations=annotations))
    assert (found.priority, found.source) == expected


def test_a_pod_whose_rule_does_not_let_it_says_nothing() -> None:
    body = pod(annotations={"oompolicy.dev/priority": "9"})
    assert verdict(target(policy({"priority": 5}), body)) == (5, None, "rule-0", "Rule")


@pytest.mark.parametrize("wanted", ["high", "", "1.5", "0x10", "99999999999", "٣", "1\n"])
def test_what_is_no_number_is_ignored_and_told_to_its_tenant(wanted: str) -> None:
    found = resolution(policy(OVERRIDE), pod(annotations={"oompolicy.dev/priority": wanted}))
    assert (found.targets[0].priority, found.targets[0].source, found.problems) == (5, "Rule", ())
    (problem,) = found.pod_problems
    assert "expected a whole number from -10 to 10" in problem.message


def test_containers_have_an_order_of_their_own() -> None:
    rule = {"priority": 5, "containers": [{"name": "exporter", "priority": 1}, {"name": "elsewhere", "priority": 2}]}
    found = target(policy(rule), pod(containers=[{"name": "db"}], initContainers=[{"name": "exporter"}]))
    assert (found.priority, found.containers) == (5, {"exporter": 1})


@pytest.mark.parametrize(
    ("rule", "general", "expected"),
    [
        pytest.param({}, {}, ("Container", 0, "Restart"), id="nobody-says-anything"),
        pytest.param(
            {}, {"unit": "Pod", "graceMilliseconds": 9, "then": "Evict"}, ("Pod", 9, "Evict"), id="in-general"
        ),
        pytest.param(
            {"victim": {"unit": "Process", "graceMilliseconds": 0}},
            {"unit": "Pod", "graceMilliseconds": 9, "then": "Evict"},
            ("Process", 0, "Evict"),
            id="the-rule-comes-first",
        ),
    ],
)
def test_how_a_pod_is_killed(rule: dict[str, Any], general: dict[str, Any], expected: tuple[str, int, str]) -> None:
    found = target(policy({"priority": 1, **rule}, victim=general), pod())
    assert (found.unit, found.grace_milliseconds, found.then) == expected


def test_how_a_pod_without_a_rule_is_killed() -> None:
    assert target(policy(victim={"unit": "Pod"}), pod()).unit == "Pod"


CRITICAL = (None, "Always", None, "Critical")
BY_RULE = (1, None, "rule-0", "Rule")


@pytest.mark.parametrize(
    ("spec", "body", "expected"),
    [
        pytest.param({}, pod(**KUBE_SYSTEM, priorityClassName="system-node-critical"), CRITICAL, id="node-critical"),
        pytest.param(
            {}, pod(**KUBE_SYSTEM, priorityClassName="system-cluster-critical"), CRITICAL, id="cluster-critical"
        ),
        pytest.param({}, pod(**KUBE_SYSTEM, priorityClassName="gold"), BY_RULE, id="another-class"),
        pytest.param({}, pod(priorityClassName="system-node-critical"), BY_RULE, id="critical-elsewhere"),
        pytest.param({}, pod(annotations=MIRROR), CRITICAL, id="static-anywhere"),
        pytest.param(
            {}, pod(annotations={"kubernetes.io/config.source": "file"}), BY_RULE, id="source-annotation-is-the-tenants"
        ),
        pytest.param(
            {"protectCritical": {"namespaces": ["ops"]}},
            pod(namespace="ops", priorityClassName="system-node-critical"),
            CRITICAL,
            id="listed-namespace",
        ),
        pytest.param(
            {"protectCritical": {"namespaces": []}},
            pod(**KUBE_SYSTEM, priorityClassName="system-node-critical"),
            BY_RULE,
            id="switched-off",
        ),
        pytest.param(
            {"protectCritical": {"namespaces": []}}, pod(annotations=MIRROR), BY_RULE, id="static-switched-off"
        ),
    ],
)
def test_critical_pods_are_protected_before_any_rule(
    spec: dict[str, Any], body: dict[str, Any], expected: tuple[int | None, str | None, str | None, str]
) -> None:
    assert verdict(target(policy({"priority": 1}, **spec), body)) == expected


def test_a_namespace_that_is_not_listed_has_the_label_with_its_name() -> None:
    by_name = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}}
    assert target(policy({"match": by_name, "priority": 4}), pod()).priority == 4


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        pytest.param({}, "found none", id="none-of-the-three"),
        pytest.param(
            {"priority": 1, "protect": {"upTo": "Always"}}, "found priority and protect", id="two-of-the-three"
        ),
        pytest.param(
            {"priorityFrom": {"source": "Budget", "minimum": 0, "maximum": 1}},
            "priorityFrom.source: expected PodPriority, found 'Budget'",
            id="source",
        ),
        pytest.param(
            {"protect": {"upTo": "Limit"}}, "protect.upTo: expected Always or Request, found 'Limit'", id="up-to"
        ),
        pytest.param(
            {"priority": 1, "victim": {"unit": "Thread"}},
            "victim.unit: expected Container or Pod or Process, found 'Thread'",
            id="unit",
        ),
        pytest.param(
            {"match": {"qosClasses": ["Elastic"]}, "priority": 1},
            "match.qosClasses: expected Guaranteed or Burstable or BestEffort, found 'Elastic'",
            id="qos-class",
        ),
        pytest.param(
            {"match": {"podSelector": {"matchExpressions": [{"key": "a", "operator": "Gt"}]}}, "priority": 1},
            "match.podSelector.operator: expected In, NotIn, Exists or DoesNotExist, found 'Gt'",
            id="operator",
        ),
    ],
)
def test_a_rule_from_a_newer_version_protects_and_is_reported_once(rule: dict[str, Any], problem: str) -> None:
    pods = [parse_pod(pod()), parse_pod(pod())]
    result = resolve(policy(rule), pods, {})
    assert [verdict(t) for t in result.targets] == [(None, "Always", "rule-0", "Rule")] * 2
    (only,) = result.problems
    assert problem in only
    assert only.startswith("Policy mixed, rule rule-0: ")


def test_a_rule_that_surely_does_not_match_is_no_problem_whatever_else_it_says() -> None:
    rule = {"match": DATA | {"podSelector": {"matchExpressions": [{"key": "a", "operator": "Gt"}]}}, "priority": 1}
    assert verdict(target(policy(rule), pod())) == (0, None, None, "Default")


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_pod_that_has_finished_has_no_target(phase: str) -> None:
    assert resolution(policy(), pod(phase=phase)).targets == ()


@pytest.mark.parametrize("phase", ["Pending", "Running", "Unknown"])
def test_a_pod_that_may_have_processes_has_a_target(phase: str) -> None:
    assert len(resolution(policy(), pod(phase=phase)).targets) == 1
