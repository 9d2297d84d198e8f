"""The Event on a victim, word for word."""

from typing import Any

import pytest

from oompolicy_agent.sync.events import event_for, sentence

VICTIM = {
    "path": "/kubepods/pod0b9c-1/3c41",
    "id": 4711,
    "unit": "Container",
    "podUid": "0b9c-1",
    "namespace": "shop",
    "pod": "batch",
    "container": "main",
    "priority": 10,
    "rule": "batch",
    "source": "Rule",
    "usageBytes": 262144000,
}
TRIGGER = {
    "reason": "MarginExhausted",
    "marginBytes": 191889408,
    "thresholdBytes": 209715200,
    "growthBytesPerSecond": 41943040,
    "stallMilliseconds": 120,
    "swapFreeBytes": 0,
}


def decision(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any field of a record
    """A finished kill; `victim` and `trigger` are changes to theirs."""
    given = {
        "formatVersion": 1,
        "id": "20261124T015349.123Z-7f3a",
        "time": "2026-11-24T01:53:49.123Z",
        "domain": "/",
        "mode": "Enforce",
        "policy": {"name": "mixed", "uid": "6f1c", "generation": 3},
        "layers": [{"parent": "/", "chosen": "/kubepods", "spared": ["/secret-neighbour"], "decidedBy": "Priority"}],
        "outcome": "Killed",
        "freedBytes": 260046848,
    }
    victim = VICTIM | changes.pop("victim", {})
    trigger = TRIGGER | changes.pop("trigger", {})
    return given | {"victim": victim, "trigger": trigger} | changes


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param(
            {},
            "Killed container main (priority 10 by rule batch of policy mixed) because the node ran out of memory: "
            "183 MiB were left, threshold 200 MiB (MarginExhausted); 248 MiB were freed",
            id="killed",
        ),
        pytest.param(
            {"backend": "KernelHook", "freedBytes": 0, "domain": "/kubepods"},
            "Killed container main (priority 10 by rule batch of policy mixed) because the node's share for pods ran "
            "out of memory, and the kernel asked whom to kill",
            id="in-the-kernels-oom-killer",
        ),
        pytest.param(
            {"outcome": "Futile", "freedBytes": 3145728, "trigger": {"reason": "GrowthExhausts"}},
            "Killed container main (priority 10 by rule batch of policy mixed) because the node ran out of memory: "
            "183 MiB were left and use grew by 40 MiB/s, threshold 200 MiB (GrowthExhausts); only 3 MiB were freed",
            id="futile",
        ),
        pytest.param(
            {"outcome": "GaveUp", "freedBytes": None, "trigger": {"reason": "Stalled"}},
            "Tried to kill container main (priority 10 by rule batch of policy mixed) because the node ran out of "
            "memory: 183 MiB were left and processes waited 120 ms for memory, threshold 200 MiB (Stalled); "
            "it did not die in time",
            id="gave-up",
        ),
        pytest.param(
            {"outcome": "WouldKill", "mode": "Audit", "victim": {"rule": None, "source": "Default", "priority": 0}},
            "Would have killed container main (priority 0 by default of policy mixed) because the node ran out of "
            "memory: 183 MiB were left, threshold 200 MiB (MarginExhausted); "
            "nothing was touched, because the policy is in mode Audit",
            id="would-kill",
        ),
        pytest.param(
            {"outcome": "Interrupted", "domain": "/kubepods", "trigger": {"reason": "KubeletWouldEvict"}},
            "Chose to kill container main (priority 10 by rule batch of policy mixed) because the node's share for "
            "pods ran out of memory: 183 MiB were left and kubelet was about to evict, threshold 200 MiB "
            "(KubeletWouldEvict); the agent was stopped before it saw whether that happened",
            id="interrupted",
        ),
        pytest.param(
            {
                "domain": "/kubepods.slice/kubepods-pod0b9c_1.slice",
                "trigger": {"reason": "NewReason", "marginBytes": -1048576},
            },
            "Killed container main (priority 10 by rule batch of policy mixed) because this pod ran out of memory: "
            "-1 MiB were left, threshold 200 MiB (NewReason); 248 MiB were freed",
            id="own-limit-and-a-reason-from-a-newer-guard",
        ),
        pytest.param(
            {"policy": None, "victim": {"unit": "Pod", "priority": None}, "trigger": {"marginBytes": None}},
            "Killed the pod (protected by rule batch) because the node ran out of memory: "
            "an unknown amount were left, threshold 200 MiB (MarginExhausted); 248 MiB were freed",
            id="whole-pod-beyond-its-protection",
        ),
    ],
)
def test_says_why_in_one_sentence(changes: dict[str, Any], expected: str) -> None:
    assert sentence(decision(**changes)) == expected


def test_is_an_event_on_the_pod() -> None:
    event = event_for(decision(), "worker-1")
    assert event == {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"namespace": "shop", "name": event and event["metadata"]["name"]},
        "involvedObject": {
            "apiVersion": "v1",
            "kind": "Pod",
            "namespace": "shop",
            "name": "batch",
            "uid": "0b9c-1",
            "fieldPath": "spec.containers{main}",
        },
        "type": "Warning",
        "reason": "OOMPolicyVictim",
        "action": "Kill",
        "message": sentence(decision()),
        "reportingComponent": "oompolicy.dev/agent",
        "reportingInstance": "worker-1",
        "source": {"component": "oompolicy.dev/agent", "host": "worker-1"},
        "firstTimestamp": "2026-11-24T01:53:49Z",
        "lastTimestamp": "2026-11-24T01:53:49Z",
        "count": 1,
    }


def test_says_nothing_about_neighbours() -> None:
    assert "neighbour" not in str(event_for(decision(), "worker-1"))


def name_of(given: dict[str, Any], node: str) -> str:
    event = event_for(given, node)
    assert event is not None
    return str(event["metadata"]["name"])


def test_its_name_follows_from_the_decision_and_the_node() -> None:
    assert name_of(decision(), "worker-1") == name_of(decision(outcome="Futile"), "worker-1")
    assert name_of(decision(), "worker-1") != name_of(decision(), "worker-2")
    assert name_of(decision(), "worker-1") != name_of(decision(id="20261124T015349.124Z-7f3a"), "worker-1")


def test_its_name_is_one_that_the_api_takes_also_for_the_longest_pod() -> None:
    name = name_of(decision(victim={"pod": "p" * 199 + "." + "q" * 53}), "worker-1")
    assert len(name) <= 253
    assert ".." not in name


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(decision(outcome="Pending"), id="not-finished"),
        pytest.param(decision(outcome="KernelKilled"), id="the-kernel-did-it"),
        pytest.param(decision(outcome="NothingEligible") | {"victim": None}, id="no-victim"),
        pytest.param(decision(outcome="Evicted"), id="outcome-from-a-newer-guard"),
        pytest.param(decision(victim={"namespace": None, "pod": None}), id="victim-outside-kubernetes"),
        pytest.param({}, id="empty-record"),
    ],
)
def test_anything_else_is_no_event(given: dict[str, Any]) -> None:
    assert event_for(given, "worker-1") is None
