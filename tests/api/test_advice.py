"""Rules that nothing can reach are found, and no rule is called so that something can reach."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oompolicy_api.advice import covers, is_impossible, unreachable
from oompolicy_api.policy import OOMPolicy
from oompolicy_api.rules import Match
from oompolicy_api.selectors import LabelSelector

KEYS, VALUES = ("app", "tier"), ("a", "b")
labels = st.dictionaries(st.sampled_from(KEYS), st.sampled_from([*VALUES, "c"]))


@st.composite
def selectors(draw: st.DrawFn) -> LabelSelector | None:
    if draw(st.booleans()):
        return None
    expression = st.fixed_dictionaries(
        {
            "key": st.sampled_from(KEYS),
            "operator": st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist"]),
            "values": st.lists(st.sampled_from(VALUES), min_size=1, max_size=2).map(tuple),
        }
    )
    return LabelSelector.model_validate(
        {
            "matchLabels": draw(st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES), max_size=1)),
            "matchExpressions": draw(st.lists(expression, max_size=2)),
        }
    )


names = st.lists(st.sampled_from(["gold", "silver"]), unique=True).map(tuple)
matches = st.builds(
    Match, namespace_selector=selectors(), pod_selector=selectors(), priority_class_names=names, qos_classes=st.just(())
)


def is_for(match: Match, namespace: dict[str, str], pod: dict[str, str], name: str) -> bool:
    """As an agent would have it."""
    return (
        (match.namespace_selector is None or match.namespace_selector.matches(namespace))
        and (match.pod_selector is None or match.pod_selector.matches(pod))
        and (not match.priority_class_names or name in match.priority_class_names)
    )


@given(matches, matches, labels, labels, st.sampled_from(["gold", "silver", ""]))
def test_what_covers_another_matches_all_that_it_matches(
    wider: Match, narrower: Match, namespace: dict[str, str], pod: dict[str, str], name: str
) -> None:
    if covers(wider, narrower) and is_for(narrower, namespace, pod, name):
        assert is_for(wider, namespace, pod, name)


@given(matches, labels, labels, st.sampled_from(["gold", "silver", ""]))
def test_what_is_impossible_matches_nobody(
    match: Match, namespace: dict[str, str], pod: dict[str, str], name: str
) -> None:
    if is_impossible(match):
        assert not is_for(match, namespace, pod, name)


def policy(*rules: dict[str, Any]) -> OOMPolicy:
    numbered = [{"name": f"r{number}", "priority": 1, "match": match} for number, match in enumerate(rules)]
    return OOMPolicy.model_validate({"metadata": {"name": "p"}, "spec": {"rules": numbered}})


BATCH = {"podSelector": {"matchLabels": {"app": "batch"}}}
SAME_IN_OTHER_WORDS = {"podSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["batch"]}]}}
GOLD = {"priorityClassNames": ["gold"]}
NEVER = {"podSelector": {"matchLabels": {"app": "a"}, "matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}}


@pytest.mark.parametrize(
    ("rules", "found"),
    [
        pytest.param([BATCH, {}], [], id="the-narrower-first"),
        pytest.param([{}, BATCH], ["r1"], id="after-everybody"),
        pytest.param([BATCH, BATCH | GOLD], ["r1"], id="one-more-wish"),
        pytest.param([BATCH | GOLD, BATCH], [], id="one-wish-less"),
        pytest.param([BATCH, SAME_IN_OTHER_WORDS], ["r1"], id="labels-and-expressions"),
        pytest.param([{"priorityClassNames": ["gold", "silver"]}, GOLD], ["r1"], id="one-of-several-names"),
        pytest.param([GOLD, {"priorityClassNames": ["gold", "silver"]}], [], id="more-names"),
        pytest.param([{"qosClasses": ["BestEffort"]}, {}], [], id="a-class-and-then-everybody"),
        pytest.param([NEVER], ["r0"], id="contradiction"),
        pytest.param([NEVER, {}], ["r0"], id="what-contradicts-itself-hides-nobody"),
    ],
)
def test_rules_that_nothing_reaches_are_named(rules: list[dict[str, Any]], found: list[str]) -> None:
    assert [sentence.split()[1] for sentence in unreachable(policy(*rules))] == found
