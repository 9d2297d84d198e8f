"""Trees from the field, from vendor manuals, peers' tests and bug reports, with their right answers."""

import pytest

from oompolicy_agent.model import DecidedBy, Snapshot
from oompolicy_agent.select import champion, select
from scenarios import SCENARIOS, Scenario

BY_ROW = {scenario.name.partition("-")[0]: scenario.snapshot for scenario in reversed(SCENARIOS)}
"""The first of each row."""


def order(tree: Snapshot) -> list[str]:
    return [candidate.path for candidate in select(tree).order]


@pytest.mark.parametrize("scenario", [pytest.param(one, id=one.name) for one in SCENARIOS])
def test_they_die_in_the_right_order(scenario: Scenario) -> None:
    assert order(scenario.snapshot) == list(scenario.order)
    victim = champion(scenario.snapshot)
    assert (victim.path if victim else None) == next(iter(scenario.order), None)


@pytest.mark.parametrize(
    ("row", "layer", "decided_by"),
    [
        pytest.param("s3", 0, DecidedBy.TIE_BREAK, id="larger-subtree"),
        pytest.param("s4", 0, DecidedBy.PRIORITY, id="priority"),
        pytest.param("s38", 1, DecidedBy.KNOWN, id="unknown-pod"),
    ],
)
def test_it_is_said_what_decided(row: str, layer: int, decided_by: DecidedBy) -> None:
    assert select(BY_ROW[row]).order[0].layers[layer].decided_by is decided_by


def test_s4_the_siblings_of_what_is_chosen_are_named_as_spared() -> None:
    assert select(BY_ROW["s4"]).order[0].layers[0].spared == ("/B", "/C", "/D")


def test_s33_the_sandbox_is_not_among_what_dies_with_its_pod() -> None:
    assert select(BY_ROW["s33"]).order[0].dies == ("/pod/c1", "/pod/c2")


def test_s34_an_inherited_priority_is_the_one_that_counts() -> None:
    assert [candidate.key.priority for candidate in select(BY_ROW["s34"]).order] == [40, 50]
