"""Whatever way the agents go, the node is as it was. These come last: nothing is installed afterwards."""

import pytest

from demo import story
from demo.installation import OPERATOR_NAMESPACE, helm_uninstall
from operating.installed import STATE, Installed

pytestmark = pytest.mark.node

JOURNAL = {f"{STATE}/outbox/decisions.jsonl", f"{STATE}/inbox/published.json", f"{STATE}/guard.lock"}
"""What stays on a node: what was decided, how far it was published, and the file that is locked."""


def test_off_puts_back_what_was_adjusted_and_the_agent_stays(product: Installed) -> None:
    agents, before = product.agents(), product.adjusted()
    product.change(mode="Off")
    story.wait_until("the node is off", lambda: product.ending.node_status()["backend"] == "Off")
    assert product.scores(before) == before
    assert product.agents() == agents


def test_a_deleted_policy_leaves_the_node_as_it_was(product: Installed) -> None:
    product.change(mode="Enforce")
    before = product.adjusted()
    product.control_plane.kubectl("delete", "oomp", "demo", "--timeout=60s")
    story.wait_until("no agent is left", lambda: not product.agents())
    assert product.scores(before) == before
    assert product.files() <= JOURNAL


def test_an_uninstalled_chart_leaves_the_node_as_it_was_and_blocks_no_deletion(product: Installed) -> None:
    story.start_product(product.control_plane)
    before = product.adjusted()
    helm_uninstall(product.control_plane)
    assert product.agents() == {}
    assert product.scores(before) == before
    assert product.files() <= JOURNAL
    everything = ("-n", OPERATOR_NAMESPACE, "get", "all", "--no-headers", "--ignore-not-found")
    assert product.control_plane.kubectl(*everything) == ""
    product.control_plane.kubectl("delete", "oomp", "demo", "--timeout=60s")
