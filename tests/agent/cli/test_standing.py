"""The order by policy alone, and what a changed policy changes in it."""

from dataclasses import replace
from typing import Any

import pytest

from oompolicy_agent.cli.standing import Change, before, changes, difference, standing
from oompolicy_agent.pods import Pod
from oompolicy_agent.resolve import Target

POD = Pod("u", "shop", "x", {}, 0, "", static=False, finished=False, terminating=False, qos_class="",
          restart_policy="Always", wanted_priority=None, request_bytes=0, containers=())  # fmt: skip


def target(name: str, priority: int | None, **more: Any) -> Target:  # noqa: ANN401 - fields of Target
    pod = replace(POD, uid=name, name=name)
    found = Target(pod, priority, None if priority is not None else "Always", "a", "Rule")
    return replace(found, **more)


LOW, SAME, MIDDLE, HIGH, SAFE = (target(n, p) for n, p in zip("abcde", (1, 5, 5, 9, None), strict=True))


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        pytest.param(LOW, "priority 1 by rule a", id="priority"),
        pytest.param(SAFE, "protected always by rule a", id="protected"),
        pytest.param(
            target("x", None, protect="Request"), "protected up to its request by rule a", id="to-its-request"
        ),
        pytest.param(target("x", 0, rule=None, source="Default"), "priority 0 by default", id="no-rule"),
        pytest.param(
            target("x", 3, unit="Pod", containers={"log": 1}),
            "priority 3 by rule a, log 1 inside it, dies by pod",
            id="all",
        ),
    ],
)
def test_says_in_a_line_how_a_pod_stands(one: Target, expected: str) -> None:
    assert standing(one) == expected


def test_before_a_pod_die_those_of_lower_priority_and_its_equals_share_its_place() -> None:
    assert before(MIDDLE, [HIGH, SAFE, MIDDLE, SAME, LOW]) == ([LOW], [SAME])
    assert before(SAFE, [HIGH, SAFE, LOW]) == ([], [])


def test_changes_are_of_pods_and_of_the_order() -> None:
    now, later = {"n": [LOW, HIGH]}, {"n": [replace(LOW, priority=10), HIGH]}
    assert changes(now, later) == [Change("shop/a", "n", "priority 1 by rule a", "priority 10 by rule a")]
    assert difference("n", now["n"], later["n"])[3:] in (
        ["-shop/a", " shop/d", "+shop/a"],
        ["+shop/d", " shop/a", "-shop/d"],
    )


def test_a_priority_that_moves_nobody_changes_no_order() -> None:
    assert difference("n", [LOW, HIGH], [replace(LOW, priority=2), HIGH]) == []
    assert changes({}, {"n": [LOW]}) == [Change("shop/a", "n", "no policy", "priority 1 by rule a")]
    assert changes({"n": [LOW]}, {"n": []}) == [Change("shop/a", "n", "priority 1 by rule a", "no policy")]
