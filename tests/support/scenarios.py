"""Trees from the field, from vendor manuals, peers' tests and bug reports, with the order in which their leaves die.

Written as trees.py has it. Played by the specification, and as real memcgs by each implementation.
"""

from dataclasses import dataclass, replace

from oompolicy_agent.model import Snapshot
from trees import snapshot

__all__ = ["SCENARIOS", "Scenario"]

MANUAL = "A:10{C:5, D:6}, B:8{E:7, F:8}"
KUBELET_LAYOUT = """
    kubepods{
        podguaranteed:10{c1 u=50 unit},
        besteffort{podprecious:900{c1 u=100 unit}},
        burstable{podmiddle:500{c1 u=400 unit}}
    },
    system.slice{sshd.service u=5 protected, backup.service:-50 u=30}
"""
STUCK_SYNC = "kubepods{new{c1 unknown u=9000000000}, shop{db:900}}"


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One tree and its right answer."""

    name: str
    tree: str
    order: tuple[str, ...]
    """Who dies, first to die first."""
    domain: str = "/"
    empty: frozenset[str] = frozenset()
    """Of those that nobody can kill, the ones in which there is no process."""
    of_parts: frozenset[str] = frozenset()
    """Of the units, those that use what is known to be in them; others have children of their tenant's."""
    all_known: bool = False
    """Whether nobody is unknown any more."""

    @property
    def snapshot(self) -> Snapshot:
        """For the specification."""
        found = snapshot(self.tree, self.domain)
        if not self.all_known:
            return found
        return replace(found, cgroups=tuple([replace(memcg, known=True) for memcg in found.cgroups]))


SCENARIOS = (
    Scenario(
        name="s1-siblings-are-compared-layer-by-layer-not-all-leaves-at-once",
        tree=MANUAL,
        order=("/B/E", "/B/F", "/A/C", "/A/D"),
    ),
    Scenario(name="s2-a-shortage-inside-A-is-decided-inside-it", tree=MANUAL, domain="/A", order=("/A/C", "/A/D")),
    Scenario(name="s2-a-shortage-inside-B-is-decided-inside-it", tree=MANUAL, domain="/B", order=("/B/E", "/B/F")),
    Scenario(
        name="s3-at-equal-priority-the-larger-subtree-loses",
        tree="A:10{C u=30, D u=31}, B:10{E u=60}",
        order=("/A/D", "/B/E", "/A/C"),
    ),
    Scenario(
        name="s4-what-is-chosen-at-a-layer-protects-all-its-siblings",
        tree="A:1{E u=1, F u=2}, B:2{G:0 u=900}, C:3{H:0 u=900}, D:4 u=900",
        order=("/A/F", "/A/E", "/B/G", "/C/H", "/D"),
    ),
    Scenario(
        name="s6-the-choice-is-local-at-each-layer", tree="A:5{Z:9, X:8}, B:6{F:1}", order=("/A/X", "/A/Z", "/B/F")
    ),
    Scenario(
        name="s7-a-branch-with-nothing-to-kill-falls-back-to-the-next",
        tree="Q:1{F{P unkillable}}, P:2{Z u=2, X u=1}, A:3{Z}",
        order=("/P/Z", "/P/X", "/A/Z"),
    ),
    Scenario(
        name="s8-a-group-dies-as-one",
        tree="Y{M unit u=5 {Z u=3, X u=2}}",
        order=("/Y/M",),
        of_parts=frozenset({"/Y/M"}),
    ),
    Scenario(
        name="s10-an-empty-memcg-is-passed-over",
        tree="empty:1 u=900 unkillable, next:2 u=1",
        order=("/next",),
        empty=frozenset({"/empty"}),
    ),
    Scenario(
        name="s22-the-lower-priority-dies-however-big-the-other-is",
        tree="kubepods{burstable{apiserver:1000 u=1670000000}, besteffort{app:0 u=600000000}}",
        order=("/kubepods/besteffort/app", "/kubepods/burstable/apiserver"),
    ),
    Scenario(
        name="s26-nothing-is-killed-when-only-the-protected-are-left",
        tree="kubepods{db protected{c1 u=900}}, system.slice{sshd protected, kubelet protected}",
        order=(),
    ),
    Scenario(
        name="s27-a-sandbox-without-a-target-never-dies",
        tree="kubepods{pod1:100{sandbox unkillable, c1}, pod2{sandbox u=1 unkillable}}",
        order=("/kubepods/pod1/c1",),
    ),
    Scenario(
        name="s28-a-guaranteed-pod-of-low-priority-dies-before-a-best-effort-pod-of-high-priority",
        tree=KUBELET_LAYOUT,
        domain="/kubepods",
        order=(
            "/kubepods/podguaranteed/c1",
            "/kubepods/burstable/podmiddle/c1",
            "/kubepods/besteffort/podprecious/c1",
        ),
    ),
    Scenario(
        name="s29-what-is-outside-the-pods-is-a-candidate-for-the-node-only",
        tree=KUBELET_LAYOUT,
        order=(
            "/system.slice/backup.service",
            "/kubepods/podguaranteed/c1",
            "/kubepods/burstable/podmiddle/c1",
            "/kubepods/besteffort/podprecious/c1",
        ),
    ),
    Scenario(
        name="s30-flat-pods-are-ordered-across-the-slices-between-them",
        tree="kubepods{besteffort{p1:5 u=10, p2:50 u=900}, burstable{p3:7 u=800}}",
        order=("/kubepods/besteffort/p1", "/kubepods/burstable/p3", "/kubepods/besteffort/p2"),
    ),
    Scenario(
        name="s31-the-priority-of-a-container-orders-it-inside-its-pod-only",
        tree="pod:100{app, exporter:10}, pod2:50{x:1000}",
        order=("/pod2/x", "/pod/exporter", "/pod/app"),
    ),
    Scenario(
        name="s32-nothing-in-a-protected-subtree-dies-whatever-its-priority",
        tree="a protected{b{c:-1000 u=900}}, d:5",
        order=("/d",),
    ),
    Scenario(
        name="s33-a-unit-pod-dies-together-without-its-sandbox",
        tree="pod:10 unit u=511 {sandbox u=1 unkillable, c1 u=10, c2 u=500}, other:20 u=900",
        order=("/pod", "/other"),
        of_parts=frozenset({"/pod"}),
    ),
    Scenario(
        name="s34-a-priority-above-the-domain-is-inherited-in-it",
        tree="k:50{p{x u=900, y:40}}",
        domain="/k/p",
        order=("/k/p/y", "/k/p/x"),
    ),
    Scenario(
        name="s35-what-the-protected-use-does-not-get-their-neighbour-killed",
        tree="A:5{big protected u=900, q u=1}, B:5{x u=500}",
        order=("/B/x", "/A/q"),
    ),
    Scenario(
        name="s36-a-protected-pod-at-its-own-limit-loses-by-the-order-of-its-containers",
        tree="kubepods{pod protected{app:100, exporter:10}}",
        domain="/kubepods/pod",
        order=("/kubepods/pod/exporter", "/kubepods/pod/app"),
    ),
    Scenario(
        name="s38-an-unknown-pod-comes-after-all-that-is-known",
        tree=STUCK_SYNC,
        order=("/kubepods/shop/db", "/kubepods/new/c1"),
    ),
    Scenario(
        name="s38-and-counts-with-the-default-once-it-has-a-target",
        tree=STUCK_SYNC,
        order=("/kubepods/new/c1", "/kubepods/shop/db"),
        all_known=True,
    ),
    Scenario(
        name="s39-what-a-tenant-nests-in-his-container-is-never-looked-at",
        tree="pod:10{app unit u=100 {mine:-1000 u=60, yours:1000 u=40}, sidecar u=50}",
        order=("/pod/app", "/pod/sidecar"),
    ),
)
