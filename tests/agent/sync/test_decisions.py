"""From a record of the journal to an OOMDecision."""

from typing import Any

import pytest

from oompolicy_agent.sync.decisions import decision_for

VICTIM = {
    "path": "/kubepods/pod1/c1",
    "id": 41,
    "unit": "Container",
    "podUid": "u-1",
    "namespace": "shop",
    "pod": "batch",
    "container": "main",
    "priority": 10,
    "rule": "batch",
    "source": "Rule",
    "usageBytes": 262144000,
    "process": None,
}
RECORD: dict[str, Any] = {
    "formatVersion": 1,
    "id": "20261124T015349.123Z-7f3a",
    "time": "2026-11-24T01:53:49.123Z",
    "domain": "/",
    "mode": "Enforce",
    "backend": "Userspace",
    "policy": {"name": "mixed", "uid": "u-p", "generation": 3},
    "trigger": {"reason": "MarginExhausted", "attribution": "Node", "marginBytes": -5, "thresholdBytes": 7},
    "victim": VICTIM,
    "layers": [{"parent": "/", "chosen": "/kubepods", "spared": [], "sparedCount": 0, "decidedBy": "OnlyChild"}],
    "ranking": [VICTIM],
    "why": "priority 10 is lower than 900",
    "outcome": "Killed",
    "agreed": None,
    "evict": True,
    "graceMilliseconds": 0,
    "tasksSignalled": 3,
    "freedBytes": 260046848,
    "kernelKills": 0,
    "milliseconds": {"shortageToSignal": 24.4, "signalToEmpty": 31.6, "signalToFreed": None},
}


def made(node: str = "w1", **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - a record may hold anything
    return decision_for(RECORD | changes, node, "oompolicy-system")


def test_says_what_the_record_says_in_the_apis_words() -> None:
    spec = made()["spec"]
    assert (spec["node"], spec["outcome"], spec["evict"]) == ("w1", "Killed", True)
    assert (spec["victim"]["podUID"], spec["victim"]["priority"]) == ("u-1", 10)
    assert spec["trigger"] == {
        "reason": "MarginExhausted",
        "attribution": "Node",
        "marginBytes": -5,
        "thresholdBytes": 7,
    }
    assert (spec["shortageToSignalMilliseconds"], spec["signalToEmptyMilliseconds"]) == (24, 32)
    absent = {"agreed", "graceMilliseconds", "kernelKills", "signalToFreedMilliseconds"}
    assert not absent & spec.keys()


def test_is_named_and_labelled_so_that_it_is_found() -> None:
    metadata = made()["metadata"]
    assert metadata == {
        "name": "w1.20261124t015349.123z-7f3a",
        "namespace": "oompolicy-system",
        "labels": {
            "oompolicy.dev/node": "w1",
            "oompolicy.dev/policy": "mixed",
            "oompolicy.dev/victim-namespace": "shop",
            "oompolicy.dev/victim-pod": "batch",
        },
    }


def test_long_names_are_cut_to_what_a_label_and_a_name_may_have() -> None:
    node = ".".join(["n" * 60] * 4)
    found = made(node, victim=VICTIM | {"pod": "p" * 62 + "-" + "q" * 100})["metadata"]
    assert len(found["name"]) <= 253
    assert found["name"] != made(f"{node}x")["metadata"]["name"]
    assert found["labels"]["oompolicy.dev/victim-pod"] == "p" * 62


def test_a_kill_of_the_kernels_has_no_trigger_and_perhaps_no_victim() -> None:
    spec = made(trigger=None, victim=None, outcome="KernelKilled", agreed=False, evict=False, kernelKills=2)["spec"]
    assert (spec["agreed"], spec["kernelKills"]) == (False, 2)
    assert not {"trigger", "victim", "evict"} & spec.keys()


def test_a_protected_victim_has_no_priority() -> None:
    assert "priority" not in made(victim=VICTIM | {"priority": None})["spec"]["victim"]


def test_is_never_larger_than_the_api_allows() -> None:
    layer = RECORD["layers"][0]
    spec = made(layers=[layer] * 100, ranking=[VICTIM] * 100, why="x" * 9999)["spec"]
    assert (len(spec["layers"]), len(spec["ranking"]), len(spec["why"])) == (64, 16, 4096)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        pytest.param({"id": None}, "id", id="no-id"),
        pytest.param({"time": "yesterday"}, "time", id="time"),
        pytest.param({"victim": {"pod": "a"}}, "victim.path", id="victim-without-a-path"),
    ],
)
def test_a_record_that_is_not_one_names_its_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(ValueError, match=f"^{field}: "):
        made(**changes)
