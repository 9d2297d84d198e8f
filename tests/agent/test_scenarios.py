"""Trees from the field, from vendor manuals, peers' tests and bug reports, with their right answers."""

from dataclasses import replace

import pytest

from oompolicy_agent.model import DecidedBy, Layer, Snapshot
from oompolicy_agent.select import champion, select
from trees import snapshot

MANUAL = "A:10{C:5, D:6}, B:8{E:7, F:8}"
KUBELET_LAYOUT = """
    kubepods{
        podguaranteed:10{c1 u=50 unit},
        besteffort{podprecious:900{c1 u=100 unit}},
        burstable{podmiddle:500{c1 u=400 unit}}
    },
    system.slice{sshd.service u=5 protected, backup.service:-50 u=30}
"""


def order(tree: Snapshot) -> list[str]:
    return [candidate.path for candidate in select(tree).order]


def first_layer(tree: Snapshot) -> Layer:
    victim = champion(tree)
    assert victim
    return victim.layers[0]


def test_s1_siblings_are_compared_layer_by_layer_not_all_leaves_at_once() -> None:
    assert order(snapshot(MANUAL)) == ["/B/E", "/B/F", "/A/C", "/A/D"]


@pytest.mark.parametrize(
    ("domain", "victim"), [pytest.param("/A", "/A/C", id="inside-A"), pytest.param("/B", "/B/E", id="inside-B")]
)
def test_s2_a_shortage_inside_a_subtree_is_decided_inside_it(domain: str, victim: str) -> None:
    assert order(snapshot(MANUAL, domain))[0] == victim


def test_s3_at_equal_priority_the_larger_subtree_loses() -> None:
    tree = snapshot("A:10{C u=30, D u=31}, B:10{E u=60}")
    assert order(tree) == ["/A/D", "/B/E", "/A/C"]
    assert first_layer(tree).decided_by is DecidedBy.TIE_BREAK


def test_s4_what_is_chosen_at_a_layer_protects_all_its_siblings() -> None:
    tree = snapshot("A:1{E u=1, F u=2}, B:2{G:0 u=900}, C:3{H:0 u=900}, D:4 u=900")
    assert order(tree)[0] == "/A/F"
    assert first_layer(tree).spared == ("/B", "/C", "/D")


def test_s6_the_choice_is_local_at_each_layer() -> None:
    assert order(snapshot("A:5{Z:9, X:8}, B:6{F:1}")) == ["/A/X", "/A/Z", "/B/F"]


def test_s7_a_branch_with_nothing_to_kill_falls_back_to_the_next() -> None:
    assert order(snapshot("Q:1{F{P unkillable}}, P:2{Z u=2, X u=1}, A:3{Z}")) == ["/P/Z", "/P/X", "/A/Z"]


def test_s8_a_group_dies_as_one() -> None:
    assert order(snapshot("Y{M unit u=5 {Z u=3, X u=2}}")) == ["/Y/M"]


def test_s10_an_empty_memcg_is_passed_over() -> None:
    assert order(snapshot("empty:1 u=900 unkillable, next:2 u=1")) == ["/next"]


def test_s22_the_lower_priority_dies_however_big_the_other_is() -> None:
    tree = snapshot("kubepods{burstable{apiserver:1000 u=1670000000}, besteffort{app:0 u=600000000}}")
    assert order(tree)[0] == "/kubepods/besteffort/app"


def test_s26_nothing_is_killed_when_only_the_protected_are_left() -> None:
    tree = snapshot("kubepods{db protected{c1 u=900}}, system.slice{sshd protected, kubelet protected}")
    assert order(tree) == []
    assert champion(tree) is None


def test_s27_a_sandbox_without_a_target_never_dies() -> None:
    tree = snapshot("kubepods{pod1:100{sandbox unkillable, c1}, pod2{sandbox u=1 unkillable}}")
    assert order(tree) == ["/kubepods/pod1/c1"]


def test_s28_a_guaranteed_pod_of_low_priority_dies_before_a_best_effort_pod_of_high_priority() -> None:
    assert order(snapshot(KUBELET_LAYOUT, domain="/kubepods")) == [
        "/kubepods/podguaranteed/c1",
        "/kubepods/burstable/podmiddle/c1",
        "/kubepods/besteffort/podprecious/c1",
    ]


@pytest.mark.parametrize(
    ("domain", "victim"),
    [
        pytest.param("/kubepods", "/kubepods/podguaranteed/c1", id="kubepods-at-its-limit"),
        pytest.param("/", "/system.slice/backup.service", id="node-out-of-memory"),
    ],
)
def test_s29_nothing_outside_the_domain_is_a_candidate(domain: str, victim: str) -> None:
    dying = order(snapshot(KUBELET_LAYOUT, domain))
    assert dying[0] == victim
    assert all(path.startswith(domain) for path in dying)


def test_s30_flat_pods_are_ordered_across_the_slices_between_them() -> None:
    tree = snapshot("kubepods{besteffort{p1:5 u=10, p2:50 u=900}, burstable{p3:7 u=800}}")
    assert order(tree) == ["/kubepods/besteffort/p1", "/kubepods/burstable/p3", "/kubepods/besteffort/p2"]


def test_s31_the_priority_of_a_container_orders_it_inside_its_pod_only() -> None:
    assert order(snapshot("pod:100{app, exporter:10}, pod2:50{x:1000}")) == ["/pod2/x", "/pod/exporter", "/pod/app"]


def test_s32_nothing_in_a_protected_subtree_dies_whatever_its_priority() -> None:
    assert order(snapshot("a protected{b{c:-1000 u=900}}, d:5")) == ["/d"]


def test_s33_a_unit_pod_dies_together_without_its_sandbox() -> None:
    tree = snapshot("pod:10 unit u=511 {sandbox u=1 unkillable, c1 u=10, c2 u=500}, other:20 u=900")
    assert order(tree) == ["/pod", "/other"]
    assert select(tree).order[0].dies == ("/pod/c1", "/pod/c2")


def test_s34_a_priority_above_the_domain_is_inherited_in_it() -> None:
    tree = snapshot("k:50{p{x u=900, y:40}}", domain="/k/p")
    assert order(tree) == ["/k/p/y", "/k/p/x"]
    assert [candidate.key.priority for candidate in select(tree).order] == [40, 50]


def test_s35_what_the_protected_use_does_not_get_their_neighbour_killed() -> None:
    assert order(snapshot("A:5{big protected u=900, q u=1}, B:5{x u=500}")) == ["/B/x", "/A/q"]


def test_s36_a_protected_pod_at_its_own_limit_loses_by_the_order_of_its_containers() -> None:
    tree = snapshot("kubepods{pod protected{app:100, exporter:10}}", domain="/kubepods/pod")
    assert order(tree) == ["/kubepods/pod/exporter", "/kubepods/pod/app"]


def test_s38_an_unknown_pod_comes_after_all_that_is_known_until_it_has_a_target() -> None:
    young = snapshot("kubepods{new{c1 unknown u=9000000000}, shop{db:900}}")
    assert order(young) == ["/kubepods/shop/db", "/kubepods/new/c1"]
    assert select(young).order[0].layers[1].decided_by is DecidedBy.KNOWN
    grown = replace(young, cgroups=tuple([replace(memcg, known=True) for memcg in young.cgroups]))
    assert order(grown) == ["/kubepods/new/c1", "/kubepods/shop/db"]


def test_s39_what_a_tenant_nests_in_his_container_is_never_looked_at() -> None:
    tree = snapshot("pod:10{app unit u=100 {mine:-1000 u=60, yours:1000 u=40}, sidecar u=50}")
    assert order(tree) == ["/pod/app", "/pod/sidecar"]
