"""What a roster says of a node is what asking each policy says."""

import random
from typing import Any

import pytest

from oompolicy_api.policy import OOMPolicy
from oompolicy_api.precedence import in_force
from oompolicy_operator.placement import is_desired
from oompolicy_operator.roster import Roster

LINUX = {"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
SELECTORS: list[dict[str, Any] | None] = [
    None,
    {"matchLabels": {"pool": "a"}},
    {"matchLabels": {"pool": "b", "tier": "x"}},
    {"matchExpressions": [{"key": "pool", "operator": "NotIn", "values": ["a"]}]},
    {"matchExpressions": [{"key": "spot", "operator": "Exists"}]},
    {"matchExpressions": [{"key": "spot", "operator": "DoesNotExist"}]},
]
LABELS: list[dict[str, list[str | None]]] = [
    {"pool": [None, "a", "b", "c"]},
    {"tier": [None, "x", "y"]},
    {"spot": [None, ""]},
    {"type": [None, "virtual-kubelet"]},
    {"other": [None, "1", "2"]},
]


def policy(number: int, chance: random.Random) -> OOMPolicy:
    selector = chance.choice(SELECTORS)
    spec = {"mode": chance.choice(["Enforce", "Audit", "Off"]), "precedence": chance.randint(0, 2)}
    metadata = {"name": f"p{number}", "uid": f"u{number}", "generation": 1}
    return OOMPolicy.parse({"metadata": metadata, "spec": spec | ({"nodeSelector": selector} if selector else {})})


@pytest.mark.parametrize("seed", range(20))
def test_says_of_every_node_what_each_policy_says_itself(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secret
    policies = [policy(number, chance) for number in range(chance.randint(0, 6))]
    roster = Roster(policies)
    for _ in range(100):
        drawn = {key: chance.choice(values) for one in LABELS for key, values in one.items()}
        labels = LINUX | {key: value for key, value in drawn.items() if value is not None}
        place = roster.place(labels)
        assert place.wanted_by == {each.metadata.name for each in policies if is_desired(each, labels)}
        assert place.in_force == in_force(policies, labels)


def test_nodes_that_no_policy_tells_apart_are_one_place() -> None:
    roster = Roster([policy(0, random.Random(1))])  # noqa: S311 - no secret
    assert roster.place(LINUX | {"kubernetes.io/hostname": "a"}) is roster.place(LINUX)
