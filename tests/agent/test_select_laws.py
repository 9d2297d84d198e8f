"""Laws that the selection keeps on every tree, and its agreement with a second, naive reading of the rule."""

from dataclasses import replace
from random import Random

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from naive_selection import naive_order
from oompolicy_agent.model import Candidate, Memcg, Snapshot
from oompolicy_agent.select import champion, select
from oompolicy_agent.snapshot_json import candidate_document
from random_trees import ancestors_of, domains_of, is_below, snapshots

law = settings(derandomize=True, database=None, deadline=None, max_examples=1000)
more = settings(law, max_examples=3000)


def paths(snapshot: Snapshot) -> list[str]:
    return [candidate.path for candidate in select(snapshot).order]


def changed(snapshot: Snapshot, instead: Memcg) -> Snapshot:
    """The snapshot with `instead` in the place of the memcg of the same path."""
    cgroups = [instead if memcg.path == instead.path else memcg for memcg in snapshot.cgroups]
    return replace(snapshot, cgroups=tuple(cgroups))


def with_flags(snapshot: Snapshot, path: str) -> set[str]:
    """The flags that anything at or above `path` has."""
    above = [memcg for memcg in snapshot.cgroups if memcg.path in ancestors_of(path)]
    return {flag for flag in ("protected", "unit") for memcg in above if getattr(memcg, flag)}


@more
@given(snapshots())
def test_the_whole_order_with_its_layers_is_what_the_definition_says(snapshot: Snapshot) -> None:
    assert [candidate_document(candidate) for candidate in select(snapshot).order] == naive_order(snapshot)


@law
@given(snapshots(), st.randoms(use_true_random=False))
def test_the_order_does_not_depend_on_the_order_of_the_input(snapshot: Snapshot, random: Random) -> None:
    shuffled = list(snapshot.cgroups)
    random.shuffle(shuffled)
    assert select(replace(snapshot, cgroups=tuple(shuffled))) == select(snapshot)


@law
@given(snapshots())
def test_the_first_alone_is_the_first_of_the_order(snapshot: Snapshot) -> None:
    assert champion(snapshot) == select(snapshot).victim


@law
@given(snapshots())
def test_nobody_is_in_the_order_twice(snapshot: Snapshot) -> None:
    order = paths(snapshot)
    assert len(order) == len(set(order))


@law
@given(snapshots())
def test_the_second_is_the_victim_of_the_tree_without_the_first(snapshot: Snapshot) -> None:
    order = select(snapshot).order
    assume(order)
    without = changed(snapshot, replace(order[0].memcg, killable=False))
    assert select(without).order == order[1:]


@law
@given(snapshots())
def test_everything_known_dies_before_anything_unknown(snapshot: Snapshot) -> None:
    known = [candidate.memcg.known for candidate in select(snapshot).order]
    assert known == sorted(known, reverse=True)


@law
@given(snapshots())
def test_nothing_protected_below_the_domain_dies(snapshot: Snapshot) -> None:
    protected = {memcg.path for memcg in snapshot.cgroups if memcg.protected} - set(ancestors_of(snapshot.domain))
    for path in paths(snapshot):
        assert not protected.intersection(ancestors_of(path))
        assert not [other for other in protected if is_below(other, path)]


@law
@given(snapshots())
def test_what_dies_is_in_the_victim_and_holds_nothing_unkillable(snapshot: Snapshot) -> None:
    for candidate in select(snapshot).order:
        assert candidate.dies
        assert all(part == candidate.path or is_below(part, candidate.path) for part in candidate.dies)
        assert not [
            leaf for leaf in unkillable_leaves(snapshot) if set(ancestors_of(leaf)).intersection(candidate.dies)
        ]


def unkillable_leaves(snapshot: Snapshot) -> list[str]:
    listed = [memcg.path for memcg in snapshot.cgroups]
    return [
        memcg.path
        for memcg in snapshot.cgroups
        if not memcg.killable and not any(is_below(path, memcg.path) for path in listed)
    ]


@law
@given(snapshots(), st.integers(1, 3), st.data())
def test_raising_the_priority_of_a_candidate_never_moves_it_forward(
    snapshot: Snapshot, more_priority: int, data: st.DataObject
) -> None:
    candidates = [candidate.memcg for candidate in select(snapshot).order if candidate.memcg.priority is not None]
    assume(candidates)
    memcg = data.draw(st.sampled_from(candidates))
    raised = changed(snapshot, replace(memcg, priority=(memcg.priority or 0) + more_priority))
    assert paths(raised).index(memcg.path) >= paths(snapshot).index(memcg.path)


@law
@given(snapshots(), snapshots(largest=4), st.sampled_from(["protected", "empty"]), st.data())
def test_a_protected_or_empty_subtree_changes_nothing_for_the_others(
    snapshot: Snapshot, subtree: Snapshot, kind: str, data: st.DataObject
) -> None:
    listed = {memcg.path for memcg in snapshot.cgroups}
    inner = [
        path for path in domains_of(snapshot.cgroups) if path == "/" or any(is_below(other, path) for other in listed)
    ]
    parent = data.draw(st.sampled_from([path for path in inner if "unit" not in with_flags(snapshot, path)] or ["/"]))
    added = grafted(subtree.cgroups, parent.rstrip("/") + "/new", kind)
    both = replace(snapshot, cgroups=snapshot.cgroups + added)
    assert select(both) == select(snapshot)


def grafted(memcgs: tuple[Memcg, ...], root: str, kind: str) -> tuple[Memcg, ...]:
    """`memcgs` below `root`, which is protected, or with nothing in it that could be killed."""
    top = Memcg(root, 1000, priority=-1, usage_bytes=3, protected=kind == "protected", killable=kind != "empty")
    below = [
        replace(memcg, path=root + memcg.path, id=memcg.id + 1000, killable=memcg.killable and kind != "empty")
        for memcg in memcgs
        if memcg.path != "/"
    ]
    return (top, *below)


@law
@given(snapshots(), st.data())
def test_the_order_in_a_domain_is_the_whole_order_restricted_to_it(snapshot: Snapshot, data: st.DataObject) -> None:
    domain = data.draw(st.sampled_from(domains_of(snapshot.cgroups)))
    assume(not with_flags(snapshot, domain) - ({"unit"} if domain == "/" else set()))
    whole = select(replace(snapshot, domain="/")).order
    inside = [candidate for candidate in whole if domain in ancestors_of(candidate.path)]
    assert [from_domain(candidate, domain) for candidate in inside] == list(
        select(replace(snapshot, domain=domain)).order
    )


def from_domain(candidate: Candidate, domain: str) -> Candidate:
    """The candidate with only those of its layers that are inside `domain`."""
    return replace(candidate, layers=candidate.layers[0 if domain == "/" else domain.count("/") :])


@law
@given(snapshots())
def test_without_priorities_on_interior_memcgs_the_order_is_simply_sorted(snapshot: Snapshot) -> None:
    flat = Snapshot("/", tuple(leaves_of(snapshot)), snapshot.default_priority, snapshot.tie_break)
    keys = [candidate.key for candidate in select(flat).order]
    assert keys == sorted(keys)


def leaves_of(snapshot: Snapshot) -> list[Memcg]:
    listed = [memcg.path for memcg in snapshot.cgroups]
    return [memcg for memcg in snapshot.cgroups if not any(is_below(path, memcg.path) for path in listed)]
