"""The decision: what is written, what is announced, and when nothing is."""

from datetime import UTC, datetime
from typing import Any

import pytest

from oompolicy_api.policy import OOMPolicy, OOMPolicyStatus
from oompolicy_operator.acceptance import Rejection
from oompolicy_operator.manifests import daemon_set_for
from oompolicy_operator.observed import NodeReport, Observed
from oompolicy_operator.reconcile import Notice, Wanted, daemon_set_to_apply, reconcile
from oompolicy_operator.roster import Roster
from oompolicy_operator.settings import AgentSettings

NOW = datetime(2026, 11, 24, 1, 53, 49, tzinfo=UTC)
AGENT = AgentSettings(namespace="agents", image="registry/agent:1")
LINUX = {"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}


def policy(status: OOMPolicyStatus | None = None, **metadata: Any) -> OOMPolicy:  # noqa: ANN401 - any field of it
    meta = {"name": "mixed", "uid": "u", "generation": 1} | metadata
    found = OOMPolicy.parse({"metadata": meta, "spec": {}})
    return found.model_copy(update={"status": status}) if status else found


def observed(*, applied: int = 1, backend: str = "Userspace", ready: bool = True) -> Observed:
    report = NodeReport("pod-1", (("u", applied),), backend, "NoPSI" if backend == "Off" else "")
    agents = {"n1": frozenset({"pod-1"})} if ready else {}
    return Observed(Roster([policy()]), {"n1": LINUX}, agents, {"n1": report})


def status_of(seen: Observed) -> OOMPolicyStatus:
    status = reconcile(policy(), seen, now=NOW).status
    assert status is not None
    return status


REJECTION = Rejection("mixed", "u", 1, OOMPolicyStatus(), "spec.mode: ...")


def test_daemon_set_that_is_missing_is_applied() -> None:
    assert daemon_set_to_apply(policy(), None, AGENT) == daemon_set_for(policy(), AGENT)


def test_daemon_set_that_is_as_it_should_be_is_left_alone() -> None:
    assert daemon_set_to_apply(policy(), daemon_set_for(policy(), AGENT), AGENT) is None


def test_daemon_set_that_was_changed_is_applied() -> None:
    found = daemon_set_for(policy(), AGENT)
    found["spec"]["template"]["spec"]["hostPID"] = False
    assert daemon_set_to_apply(policy(), found, AGENT) is not None


def test_daemon_set_of_an_older_policy_of_the_same_name_gets_the_new_owner() -> None:
    found = daemon_set_for(policy(uid="older"), AGENT)
    manifest = daemon_set_to_apply(policy(), found, AGENT)
    assert manifest is not None
    assert manifest["metadata"]["ownerReferences"][0]["uid"] == "u"


@pytest.mark.parametrize(
    "going",
    [
        pytest.param(policy(deletionTimestamp="2026-11-24T00:00:00Z"), id="being-deleted"),
        pytest.param(REJECTION, id="not-understood"),
    ],
)
def test_no_agents_are_made_for_a_policy_that_is_going_or_not_understood(going: OOMPolicy | Rejection) -> None:
    assert daemon_set_to_apply(going, None, AGENT) is None


def test_status_of_a_policy_that_is_being_deleted_is_nobodys_business() -> None:
    assert reconcile(policy(deletionTimestamp="2026-11-24T00:00:00Z"), observed(), now=NOW) == Wanted()


def test_unchanged_status_is_not_written() -> None:
    assert reconcile(policy(status_of(observed())), observed(), now=datetime.now(UTC)) == Wanted()


def test_policy_that_is_not_understood_gets_its_status_once() -> None:
    wanted = reconcile(REJECTION, Observed(), now=NOW)
    assert wanted.status is not None
    assert wanted.notices == (Notice("Warning", "NotUnderstood", "spec.mode: ..."),)
    again = Rejection("mixed", "u", 1, wanted.status, "spec.mode: ...")
    assert reconcile(again, Observed(), now=NOW) == Wanted()


@pytest.mark.parametrize(
    ("before", "after", "notice"),
    [
        pytest.param(observed(ready=False), observed(), "Normal Ready", id="gets-ready"),
        pytest.param(observed(), observed(backend="Off"), "Warning BackendOff", id="backend-gone"),
        pytest.param(observed(), observed(ready=False), "Warning AgentsNotReady", id="agent-gone"),
        pytest.param(observed(), Observed(), "Warning NoMatchingNodes", id="node-gone"),
        pytest.param(observed(ready=False), observed(applied=0), None, id="on-its-way"),
        pytest.param(observed(), observed(applied=0), None, id="new-generation-on-its-way"),
        pytest.param(Observed(), observed(ready=False), None, id="first-node-appears"),
    ],
)
def test_turns_that_matter_are_announced(before: Observed, after: Observed, notice: str | None) -> None:
    wanted = reconcile(policy(status_of(before)), after, now=NOW)
    assert [f"{each.type} {each.reason}" for each in wanted.notices] == ([notice] if notice else [])


def test_first_sight_of_a_policy_is_announced_only_when_something_is_wrong() -> None:
    assert reconcile(policy(), observed(ready=False), now=NOW).notices == ()
    assert [each.reason for each in reconcile(policy(), Observed(), now=NOW).notices] == ["NoMatchingNodes"]
