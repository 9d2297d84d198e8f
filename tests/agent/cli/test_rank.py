"""What the agent answers becomes an order for people."""

import pytest

from oompolicy_agent.cli.live import CommandError
from oompolicy_agent.cli.rank import entries

LOW = {"path": "/kubepods/podlow/main", "id": 3, "usageBytes": 1 << 20}
HIGH = {"path": "/kubepods/podhigh/main", "id": 5, "usageBytes": 2 << 20}
PODS = [{"path": "/kubepods/podlow", "id": 2, "priority": 1}, {"path": "/kubepods/podhigh", "id": 4, "priority": 9}]
ANSWER = {
    "snapshot": {"domain": "/", "cgroups": [LOW, HIGH, *PODS]},
    "victims": {
        LOW["path"]: {"namespace": "shop", "pod": "low", "container": "main", "rule": "batch", "source": "Rule"}
    },
}


def test_the_first_to_die_comes_first_with_whose_it_is_and_what_decided() -> None:
    first, second = entries(ANSWER, None)
    assert (first["namespace"], first["pod"], first["container"], first["rule"]) == ("shop", "low", "main", "batch")
    assert (first["usageBytes"], first["decidedBy"]) == (1 << 20, "Priority")
    assert "priority 1 is lower than 9" in first["why"]
    assert (second["path"], second["pod"], second["decidedBy"]) == (HIGH["path"], None, "OnlyChild")


def test_no_more_than_were_asked_for_are_looked_at() -> None:
    assert len(list(entries(ANSWER, 1))) == 1


@pytest.mark.parametrize("answer", [{}, {"snapshot": {"domain": "/"}}, {"snapshot": []}])
def test_what_is_no_tree_is_refused(answer: dict[str, object]) -> None:
    with pytest.raises(CommandError, match="expected a tree of memcgs from the agent"):
        list(entries(answer, None))
