"""Who is on the node, since when, and who of them is the guard itself."""

import os
from pathlib import Path

import pytest

from guard_host import FakeHost
from oompolicy_agent.guard.census import Census
from oompolicy_agent.guard.memcgs import CgroupFS
from oompolicy_agent.guard.sandboxes import Roles
from oompolicy_agent.guard.settings import Limits

MIB = 1 << 20


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    host = FakeHost(tmp_path)
    host.memcg("/kubepods/poda/a-main", current=100, pids=(20,))
    host.bundle("a-main", "container")
    return host


def census(host: FakeHost, pod_uid: str = "") -> Census:
    counted = Census(CgroupFS(str(host.cgroups)), Roles(str(host.root)), Limits(), pod_uid)
    counted.refresh(0.0)
    return counted


def test_knows_the_tree_and_what_holds_all_pods(host: FakeHost) -> None:
    counted = census(host)
    assert counted.top
    assert counted.top.path == "/kubepods"
    assert [pod.path for pod in counted.pods] == ["/kubepods/poda"]


def test_looks_at_most_once_a_second_unless_it_is_told_to(host: FakeHost) -> None:
    counted = census(host)
    host.memcg("/kubepods/podb")
    counted.refresh(0.9)
    before = counted.version
    counted.look(0.9)
    assert (before, counted.version, len(counted.pods)) == (1, 2, 2)


def test_lists_again_only_after_a_change(host: FakeHost) -> None:
    counted = census(host)
    counted.refresh(2.0)
    assert counted.version == 1
    host.memcg("/kubepods/poda/a-second")
    counted.refresh(4.0)
    assert counted.version == 2


def test_counts_a_pods_age_from_when_it_was_first_seen(host: FakeHost) -> None:
    counted = census(host)
    host.memcg("/kubepods/podb")
    counted.refresh(5.0)
    assert counted.facts(8.0).ages == {"a": 8.0, "b": 3.0}


def test_a_pod_that_comes_back_is_new(host: FakeHost) -> None:
    counted = census(host)
    host.memcg("/kubepods/podb")
    counted.refresh(5.0)
    (host.cgroups / "kubepods/podb").rename(host.cgroups / "away")
    counted.refresh(10.0)
    (host.cgroups / "away").rename(host.cgroups / "kubepods/podb")
    counted.refresh(20.0)
    assert counted.facts(20.0).ages["b"] == 0.0


def test_finds_its_own_pod_by_its_uid_and_by_its_process(host: FakeHost) -> None:
    assert census(host, pod_uid="told").facts(0.0).own == {"told"}
    host.memcg("/kubepods/podguard/g-main", pids=(os.getpid(),))
    assert census(host).facts(0.0).own == {"guard"}


def test_does_not_believe_a_process_that_is_named_like_kubelet(host: FakeHost) -> None:
    host.process(20)
    (host.proc / "20/comm").write_text("kubelet\n")
    assert census(host).facts(0.0).own == set()


def test_measures_whom_it_is_asked_to(host: FakeHost) -> None:
    host.memcg("/kubepods/podb/b-main", current=50, pids=(30,))
    host.memcg("/kubepods/podc/c-main", current=50)
    counted = census(host)
    a, b, c = (counted.place(f"/kubepods/pod{name}/{name}-main") for name in "abc")
    measured, is_current = counted.measured(counted.facts(0.0), [a, c], with_swap=False)
    assert measured.usage == {a.id: 100 * MIB}
    assert measured.unread == {b.id}
    assert is_current


def test_notices_that_somebody_is_gone(host: FakeHost) -> None:
    counted = census(host)
    place = counted.place("/kubepods/poda/a-main")
    (host.cgroups / "kubepods/poda/a-main").rename(host.cgroups / "away")
    measured, is_current = counted.measured(counted.facts(0.0), [place], with_swap=False)
    assert measured.usage == {}
    assert not is_current


@pytest.mark.parametrize(
    ("limit", "held", "expected"),
    [
        pytest.param("0", 0, 0, id="may-not-swap"),
        pytest.param("max", 0, 100, id="no-limit-all-of-it"),
        pytest.param(str(40 * MIB), 10 * MIB, 30, id="the-rest-of-its-limit"),
    ],
)
def test_counts_what_the_pods_may_still_swap(host: FakeHost, limit: str, held: int, expected: int) -> None:
    folder = host.cgroups / "kubepods/poda/a-main"
    (folder / "memory.swap.max").write_text(limit + "\n")
    (folder / "memory.swap.current").write_text(f"{held}\n")
    assert census(host).may_swap() == expected * MIB
