"""Explanations say in words what the keys decided, and nothing else."""

import pytest

from oompolicy_agent.explain import amount, layer_by_layer, readable, sentence, why
from oompolicy_agent.model import Candidate, Memcg, Snapshot, TieBreak
from oompolicy_agent.select import champion
from trees import snapshot


def victim(tree: Snapshot) -> Candidate:
    found = champion(tree)
    assert found
    return found


@pytest.mark.parametrize(
    ("tree", "tie_break", "reason"),
    [
        pytest.param(
            "a, b unknown",
            TieBreak.LARGEST_USAGE,
            "the other was created a moment ago and its priority is not known yet",
            id="known",
        ),
        pytest.param("a:-1, b:7", TieBreak.LARGEST_USAGE, "priority -1 is lower than 7", id="priority"),
        pytest.param(
            "a:5 u=3145728, b:5 u=2048",
            TieBreak.LARGEST_USAGE,
            "at equal priority 5 it uses 3.0 MiB against 2.0 KiB",
            id="usage",
        ),
        pytest.param(
            "a u=104857601, b u=104857600",
            TieBreak.LARGEST_USAGE,
            "at equal priority 0 it uses 104857601 B against 104857600 B",
            id="usage-that-rounding-would-hide",
        ),
        pytest.param(
            "a u=9 r=1, b u=20 r=4096",
            TieBreak.MOST_OVER_REQUEST,
            "at equal priority 0 its usage minus request is 8 B against -4.0 KiB",
            id="over-request",
        ),
        pytest.param(
            "a id=7, b id=4",
            TieBreak.NEWEST,
            "at equal priority 0 it is the younger: cgroup id 7 against 4",
            id="newest",
        ),
        pytest.param(
            "a id=7 u=1, b id=4 u=1",
            TieBreak.LARGEST_USAGE,
            "with all else equal cgroup id 7 is higher than 4",
            id="id",
        ),
    ],
)
def test_the_reason_is_the_part_of_the_key_that_decided(tree: str, tie_break: TieBreak, reason: str) -> None:
    first = victim(snapshot(tree, tie_break=tie_break))
    assert sentence(first, tie_break) == (
        f"/a is next to die when the node runs out of memory: on the node a goes before b, because {reason}."
    )
    assert why(first, tie_break) == f"/: before b, {reason}"


def test_a_sentence_names_the_champions_that_were_compared_and_skips_layers_without_a_choice() -> None:
    tree = snapshot("kubepods{besteffort{p1:5{c}, p2:50}, burstable{p3:7}}", domain="/kubepods")
    assert sentence(victim(tree), tree.tie_break) == (
        "/kubepods/besteffort/p1/c is next to die when /kubepods runs out of memory: "
        "in /kubepods besteffort/p1 goes before burstable/p3, because priority 5 is lower than 7; "
        "in /kubepods/besteffort p1 goes before p2, because priority 5 is lower than 50."
    )


@pytest.mark.parametrize("domain", [pytest.param("/", id="node"), pytest.param("/a", id="itself")])
def test_a_sentence_says_when_there_was_no_choice(domain: str) -> None:
    tree = snapshot("a, b protected", domain)
    assert sentence(victim(tree), tree.tie_break).endswith("runs out of memory: nothing else may be killed.")


def test_layer_by_layer_has_a_line_for_each_layer_and_counts_the_spared() -> None:
    tree = snapshot("k{p:1, a:2, b:3, c:4, d:5, e:6, f:7}")
    assert layer_by_layer(victim(tree), tree.tie_break).splitlines() == [
        "/k/p is next to die when the node runs out of memory",
        "  on the node only k may be killed",
        "  in /k p goes before a, because priority 1 is lower than 2; spared: /k/a, /k/b, /k/c, /k/d and 2 more",
    ]


def test_a_name_chosen_by_a_tenant_cannot_speak_to_the_terminal() -> None:
    tree = Snapshot("/", (Memcg("/evil\x1b[2J\r\u202e", 1), Memcg("/b\ud800", 2, priority=1)))
    assert sentence(victim(tree), tree.tie_break).isprintable()
    assert readable("a\x1b\ud800") == "a\\x1b\\ud800"


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (-1024, "-1.0 KiB"),
        (262144000, "250.0 MiB"),
        (5 << 30, "5.0 GiB"),
        (1 << 63, "8388608.0 TiB"),
    ],
)
def test_amounts_are_readable(count: int, text: str) -> None:
    assert amount(count) == text
