"""Each sentence of the rule, on the smallest tree that shows it."""

import pytest

from oompolicy_agent.model import Candidate, DecidedBy, Memcg, Snapshot, TieBreak
from oompolicy_agent.select import champion, select, victims
from trees import memcgs, snapshot


def order(tree: Snapshot) -> list[str]:
    return [candidate.path for candidate in select(tree).order]


def victim(tree: Snapshot) -> Candidate:
    found = champion(tree)
    assert found
    return found


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        pytest.param("a:1 u=1, b:2 u=9", ["/a", "/b"], id="lower-priority-before-larger-usage"),
        pytest.param("a:-5, b", ["/a", "/b"], id="negative-before-the-default"),
        pytest.param("a:1 u=1, b:1 u=2", ["/b", "/a"], id="larger-usage-at-equal-priority"),
        pytest.param("a:1 u=2 id=7, b:1 u=2 id=9", ["/b", "/a"], id="higher-id-at-equal-usage"),
        pytest.param("a:9{x, y:3}, b:5", ["/b", "/a/y", "/a/x"], id="inherits-from-its-parent"),
        pytest.param("a:9{m{x}}, b:5", ["/b", "/a/m/x"], id="inherits-from-its-grandparent"),
        pytest.param("a:9{m:1{x, y:2}}, b:5", ["/b", "/a/m/x", "/a/m/y"], id="inherits-from-the-nearest"),
        pytest.param("a{x u=1}, b:-1 u=0, c:1 u=9", ["/b", "/a/x", "/c"], id="default-when-no-ancestor-has-one"),
        pytest.param("a{x:5, y:1}, b:3", ["/a/y", "/b", "/a/x"], id="interior-without-priority-is-its-champion"),
        pytest.param("a{m{x:5}, n{y:1}}, b:3", ["/a/n/y", "/b", "/a/m/x"], id="champion-of-champions"),
        pytest.param("a{m:5{x:1}}, b:3", ["/b", "/a/m/x"], id="champion-is-the-child-not-the-leaf-below-it"),
        pytest.param("a:2{x:100}, b:3", ["/a/x", "/b"], id="interior-with-priority-is-compared-by-it"),
        pytest.param("a:9 unit {x:1}, b:5", ["/b", "/a"], id="unit-is-compared-as-a-leaf"),
        pytest.param("a:9{u unit {x:1}}, b:5", ["/b", "/a/u"], id="unit-inherits-as-a-leaf"),
        pytest.param("a:1 protected unit, b:5", ["/b"], id="protected-unit"),
        pytest.param("a unit {x protected, y}, b:5", ["/b"], id="unit-with-a-protected-part"),
        pytest.param("a unit {m{x protected}, y}, b:5", ["/b"], id="unit-with-a-protected-part-deep-in-it"),
        pytest.param("a unit {m protected unkillable, y}, b:5", ["/b"], id="unit-with-a-protected-sandbox"),
        pytest.param("a{x protected, y}, b:5", ["/a/y", "/b"], id="interior-with-a-protected-part"),
        pytest.param("a unit {x unkillable, m{y unkillable}}, b:5", ["/b"], id="unit-with-nothing-killable"),
        pytest.param("a unit {x unkillable, y}, b:5", ["/a", "/b"], id="unit-with-something-killable"),
        pytest.param("a unit unkillable {x, y}, b:5", ["/b"], id="unkillable-unit"),
        pytest.param("a unit {s unit unkillable {x}}, b:5", ["/b"], id="unit-with-only-a-sandbox-that-has-children"),
        pytest.param("a unkillable {x, y unkillable}, b:5", ["/a/x", "/b"], id="flag-of-an-interior-says-nothing"),
        pytest.param("a unknown {x}, b:5", ["/a/x", "/b"], id="unknown-interior-says-nothing"),
        pytest.param("a u=900 {x u=1}, b u=5", ["/b", "/a/x"], id="usage-of-an-interior-says-nothing"),
        pytest.param("a:5 u=900 {x u=1}, b:5 u=5", ["/b", "/a/x"], id="usage-of-an-interior-with-priority-neither"),
        pytest.param("a:5 unit u=9 {x u=1}, b:5 u=5", ["/a", "/b"], id="usage-of-a-unit-counts"),
        pytest.param("a:5{m unit u=9 {x u=1}}, b:5 u=5", ["/a/m", "/b"], id="usage-of-a-unit-counts-in-a-sum"),
        pytest.param("a:5{x u=3, m{y u=3}}, b:5 u=5", ["/a/m/y", "/b", "/a/x"], id="sum-shrinks-with-each-death"),
        pytest.param("a:5{x u=3, y u=9 unkillable}, b:5 u=5", ["/b", "/a/x"], id="sum-over-the-eligible-only"),
        pytest.param("a:5 id=1 {x id=9}, b:5 id=3", ["/b", "/a/x"], id="interior-with-priority-has-its-own-id"),
        pytest.param("a id=1 {x:5 id=9}, b:5 id=3", ["/a/x", "/b"], id="interior-without-has-its-champions-id"),
        pytest.param("a unknown u=9, b:900", ["/b", "/a"], id="known-before-unknown"),
        pytest.param("a:1{x unknown}, b:900", ["/b", "/a/x"], id="subtree-with-only-unknown-is-unknown"),
        pytest.param("a:1{x unknown, y}, b:900", ["/a/y", "/b", "/a/x"], id="subtree-is-known-while-it-holds-known"),
        pytest.param("a:7{x unknown}, b:3{y unknown}", ["/b/y", "/a/x"], id="priority-among-the-unknown"),
    ],
)
def test_node_out_of_memory(tree: str, expected: list[str]) -> None:
    assert order(snapshot(tree)) == expected


@pytest.mark.parametrize(
    ("tree", "domain", "expected"),
    [
        pytest.param("a{x:1, y:2}, ab:0", "/a", ["/a/x", "/a/y"], id="neighbour-with-a-longer-name-is-outside"),
        pytest.param("a/b/x:1, a/b/y:0, a/c:-1", "/a/b", ["/a/b/y", "/a/b/x"], id="domain-that-is-not-listed"),
        pytest.param("a:1{m:3{d{x, y:2}}}", "/a/m/d", ["/a/m/d/y", "/a/m/d/x"], id="nearest-priority-above-it"),
        pytest.param("a/m:3{d{x, y:2}}, a:1", "/a/m/d", ["/a/m/d/y", "/a/m/d/x"], id="nearest-priority-listed-first"),
        pytest.param("a:3{x, y:4}", "/a", ["/a/x", "/a/y"], id="priority-of-the-domain-is-inherited"),
        pytest.param("a protected{m protected{x}}", "/a/m", ["/a/m/x"], id="protection-at-or-above-it-does-not-count"),
        pytest.param("a protected{m{x protected, y}}", "/a", ["/a/m/y"], id="protection-below-it-does"),
        pytest.param("a protected", "/a", ["/a"], id="protected-leaf-at-its-own-limit"),
        pytest.param("a unkillable", "/a", [], id="sandbox-at-its-own-limit"),
        pytest.param("a unit protected {x, y}", "/a", ["/a"], id="unit-at-its-own-limit-dies-as-one"),
        pytest.param("a unit {x protected, y}", "/a", [], id="unit-at-its-own-limit-with-a-protected-part"),
        pytest.param("a unit {m{x u=1, y u=2}}", "/a/m", ["/a/m/y", "/a/m/x"], id="unit-above-it-does-not-count"),
        pytest.param("", "/", [], id="nothing-at-all"),
    ],
)
def test_shortage_in_a_domain(tree: str, domain: str, expected: list[str]) -> None:
    assert order(snapshot(tree, domain)) == expected


@pytest.mark.parametrize(
    ("tree", "expected"), [pytest.param("", [], id="alone"), pytest.param("a", ["/a"], id="with-a-child")]
)
def test_the_root_is_never_a_victim(tree: str, expected: list[str]) -> None:
    root = Memcg("/", 1000, priority=-1, usage_bytes=5, unit=True)
    assert order(Snapshot("/", (*memcgs(tree), root))) == expected


@pytest.mark.parametrize(
    ("tie_break", "tree", "expected"),
    [
        pytest.param(TieBreak.LARGEST_USAGE, "a u=9 r=9, b u=5", ["/a", "/b"], id="usage"),
        pytest.param(TieBreak.MOST_OVER_REQUEST, "a u=9 r=9, b u=5", ["/b", "/a"], id="over-request"),
        pytest.param(TieBreak.MOST_OVER_REQUEST, "a u=1 r=9, b u=1 r=8", ["/b", "/a"], id="under-request-is-signed"),
        pytest.param(
            TieBreak.MOST_OVER_REQUEST, "a:5{x u=9, y r=8}, b:5 u=2", ["/b", "/a/x", "/a/y"], id="over-request-in-sum"
        ),
        pytest.param(TieBreak.NEWEST, "a id=3 u=9, b id=4", ["/b", "/a"], id="newest"),
        pytest.param(TieBreak.NEWEST, "a id=1 {x id=9}, b id=4", ["/a/x", "/b"], id="newest-champion"),
        pytest.param(TieBreak.NEWEST, "a:5 id=1 {x id=9}, b:5 id=4", ["/b", "/a/x"], id="newest-pod-not-container"),
        pytest.param(TieBreak.NEWEST, "a:5 id=1, b id=4", ["/b", "/a"], id="newest-only-at-equal-priority"),
    ],
)
def test_tie_break(tie_break: TieBreak, tree: str, expected: list[str]) -> None:
    assert order(snapshot(tree, tie_break=tie_break)) == expected


def test_default_priority_counts_where_nothing_is_inherited() -> None:
    assert order(snapshot("a:5, b, c:7", default_priority=6)) == ["/a", "/b", "/c"]


@pytest.mark.parametrize(
    ("tree", "spared", "decided_by"),
    [
        pytest.param("a", (), DecidedBy.ONLY_CHILD, id="alone"),
        pytest.param("a, b protected, c unkillable", (), DecidedBy.ONLY_CHILD, id="others-could-not-die-anyway"),
        pytest.param("a, b unknown", ("/b",), DecidedBy.KNOWN, id="known"),
        pytest.param("c:3, a:1, b:2", ("/b", "/c"), DecidedBy.PRIORITY, id="priority"),
        pytest.param("a:1 u=3, b:1 u=2, c:2 u=9", ("/b", "/c"), DecidedBy.TIE_BREAK, id="usage"),
        pytest.param("a:1 u=3 id=9, b:1 u=3 id=8", ("/b",), DecidedBy.ID, id="id"),
    ],
)
def test_a_layer_names_the_spared_next_first_and_what_decided(
    tree: str, spared: tuple[str, ...], decided_by: DecidedBy
) -> None:
    (layer,) = victim(snapshot(tree)).layers
    assert (layer.parent, layer.chosen.path, layer.spared, layer.decided_by) == ("/", "/a", spared, decided_by)


def test_layers_lead_from_the_domain_through_every_ancestor_to_the_victim() -> None:
    layers = victim(snapshot("k/q/p:1{x}, k/q/r:2", domain="/k")).layers
    assert [(layer.parent, layer.chosen.path) for layer in layers] == [
        ("/k", "/k/q"),
        ("/k/q", "/k/q/p"),
        ("/k/q/p", "/k/q/p/x"),
    ]


def test_a_victim_that_is_the_domain_has_no_layers() -> None:
    assert victim(snapshot("k{c unit u=1 {x}}", domain="/k/c")).layers == ()


def test_a_layer_says_who_stood_for_whom() -> None:
    (layer, _) = victim(snapshot("a{x:1}, b:3{y:0}, c{z:2}")).layers
    assert layer.runner_up
    assert (layer.chosen.represented_by, layer.runner_up.represented_by) == ("/a/x", "/c/z")


@pytest.mark.parametrize(
    ("tree", "dies"),
    [
        pytest.param("a", ("/a",), id="leaf"),
        pytest.param("a unit {x, y}", ("/a",), id="unit-as-a-whole"),
        pytest.param("a unit {x, s unkillable, y}", ("/a/x", "/a/y"), id="around-a-sandbox"),
        pytest.param("a unit {m{x, y}, s unkillable}", ("/a/m",), id="the-topmost-that-may-die"),
        pytest.param("a unit {m{x, s unkillable}, y}", ("/a/m/x", "/a/y"), id="around-a-sandbox-deep-in-it"),
        pytest.param("a unit {s unit unkillable {x}, y}", ("/a/y",), id="nothing-inside-a-sandbox"),
    ],
)
def test_what_dies_with_a_victim(tree: str, dies: tuple[str, ...]) -> None:
    assert victim(snapshot(tree)).dies == dies


def test_victims_are_found_when_they_are_asked_for() -> None:
    tree = snapshot("a:1, b:2")
    found = victims(tree)
    assert [next(found).path, next(found).path, next(found, None)] == ["/a", "/b", None]


def test_a_tree_deeper_than_python_may_recurse_is_decided() -> None:
    path = "/".join(f"d{level}" for level in range(3000))
    assert victim(snapshot(f"{path}:5, b:9")).path == f"/{path}"
