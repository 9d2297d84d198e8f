"""A policy for a newer operator is refused by the name of the field that is not understood."""

from typing import Any

import pytest

from oompolicy_api.policy import OOMPolicy
from oompolicy_operator.acceptance import Rejection, accept


def body(**more: Any) -> dict[str, Any]:  # noqa: ANN401 - any field of a policy
    return {"metadata": {"name": "a", "uid": "u", "generation": 2}, "spec": {}} | more


def test_policy_that_is_understood_is_a_policy() -> None:
    assert isinstance(accept(body()), OOMPolicy)


def test_field_that_is_not_known_does_not_matter() -> None:
    assert isinstance(accept(body(spec={"budget": {"maximumKills": 3}})), OOMPolicy)


def test_rule_that_says_something_newer_is_for_the_agents_to_protect() -> None:
    assert isinstance(accept(body(spec={"rules": [{"name": "r", "match": {}, "vote": {}}]})), OOMPolicy)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        pytest.param({"mode": "Ask"}, "spec.mode: expected one of Enforce, Audit, Off, found 'Ask'", id="mode"),
        pytest.param(
            {"nodeSelector": {"matchExpressions": [{"key": "k", "operator": "Gt", "values": ["1"]}]}},
            "spec.nodeSelector.matchExpressions[0].operator: expected one of In, NotIn, Exists, DoesNotExist, found",
            id="operator",
        ),
        pytest.param({"precedence": "high"}, "spec.precedence: Input should be a valid integer", id="type"),
    ],
)
def test_what_is_not_understood_is_named(spec: dict[str, Any], message: str) -> None:
    found = accept(body(spec=spec))
    assert isinstance(found, Rejection)
    assert found.message.startswith(message)
    assert (found.name, found.uid, found.generation) == ("a", "u", 2)


def test_status_that_is_not_understood_either_counts_as_none() -> None:
    found = accept(body(spec={"mode": "Ask"}, status={"conditions": "many"}))
    assert isinstance(found, Rejection)
    assert found.status.conditions == ()
