"""What is read from cgroupfs, and that a vanished file is an answer."""

from pathlib import Path

import pytest

from guard_host import FakeHost
from oompolicy_agent.guard.layout import Kind
from oompolicy_agent.guard.memcgs import MOST_NESTED, CgroupFS

MIB = 1 << 20


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return FakeHost(tmp_path)


@pytest.fixture
def cgroups(host: FakeHost) -> CgroupFS:
    return CgroupFS(str(host.cgroups))


def test_lists_pods_and_containers_and_hides_what_is_decided_as_a_whole(host: FakeHost, cgroups: CgroupFS) -> None:
    for path in ("/system.slice/ssh.service", "/kubepods/burstable/poda/c1/nested", "/kubepods/podb/c2", "/init.scope"):
        host.memcg(path)
    found = {place.path: place.kind for place in cgroups.tree()}
    assert found == {
        "/system.slice": Kind.HOST,
        "/init.scope": Kind.HOST,
        "/kubepods": Kind.TOP,
        "/kubepods/burstable": Kind.QOS,
        "/kubepods/burstable/poda": Kind.POD,
        "/kubepods/burstable/poda/c1": Kind.CONTAINER,
        "/kubepods/podb": Kind.POD,
        "/kubepods/podb/c2": Kind.CONTAINER,
    }


def test_lists_parents_before_children(host: FakeHost, cgroups: CgroupFS) -> None:
    host.memcg("/kubepods/burstable/poda/c1")
    paths = [place.path for place in cgroups.tree()]
    assert paths == sorted(paths)


def test_finds_the_pods_of_a_kubelet_with_a_cgroup_root_of_its_own(host: FakeHost, cgroups: CgroupFS) -> None:
    host.memcg("/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-poda.slice/cri-containerd-c1.scope")
    host.memcg("/kubelet.slice/kubelet.service")
    assert {place.path.rpartition("/")[2]: place.kind for place in cgroups.tree()} == {
        "kubelet-kubepods.slice": Kind.TOP,
        "kubelet-kubepods-poda.slice": Kind.POD,
        "cri-containerd-c1.scope": Kind.CONTAINER,
        "kubelet.service": Kind.HOST,
    }


def test_the_id_of_a_memcg_is_its_inode(host: FakeHost, cgroups: CgroupFS) -> None:
    folder = host.memcg("/system.slice")
    (place,) = cgroups.tree()
    assert place.id == folder.stat().st_ino


def test_follows_no_link(host: FakeHost, cgroups: CgroupFS) -> None:
    (host.cgroups / "link").symlink_to("/")
    assert cgroups.tree() == []


def test_reads_usage_and_population(host: FakeHost, cgroups: CgroupFS) -> None:
    host.memcg("/a", current=100, file=30, pids=(4711,))
    assert cgroups.usage("/a", with_swap=False) == 70 * MIB
    assert cgroups.is_populated("/a") is True
    host.memcg("/a", current=100)
    assert cgroups.is_populated("/a") is False


def test_a_memcg_that_is_gone_is_an_answer(cgroups: CgroupFS) -> None:
    assert cgroups.usage("/gone", with_swap=True) is None
    assert cgroups.current("/gone") is None
    assert cgroups.is_populated("/gone") is None
    assert cgroups.processes("/gone") == []


def test_counts_swap_where_it_is_asked_for(host: FakeHost, cgroups: CgroupFS) -> None:
    folder = host.memcg("/a", current=100)
    (folder / "memory.swap.current").write_text(f"{50 * MIB}\n")
    assert cgroups.usage("/a", with_swap=True) == 150 * MIB
    assert cgroups.usage("/a", with_swap=False) == 100 * MIB


def test_no_limit_is_no_number(host: FakeHost, cgroups: CgroupFS) -> None:
    host.memcg("/a")
    assert cgroups.number("/a", "memory.max") is None


def test_finds_processes_in_nested_memcgs(host: FakeHost, cgroups: CgroupFS) -> None:
    host.memcg("/c", pids=(1, 2))
    host.memcg("/c/x", pids=(3,))
    host.memcg("/c/x/y", pids=(4,))
    assert sorted(cgroups.processes("/c")) == [1, 2, 3, 4]


def test_a_tenant_who_nests_without_end_delays_nobody(host: FakeHost, cgroups: CgroupFS) -> None:
    for number in range(MOST_NESTED + 10):
        host.memcg(f"/c/{number}/x", pids=(1000 + number,))
    host.memcg("/c/" + "/".join("d" * 200), pids=(7,))
    assert len(cgroups.processes("/c")) <= 2 * MOST_NESTED


def test_notices_when_a_pod_or_container_comes_or_goes(host: FakeHost, cgroups: CgroupFS) -> None:
    host.memcg("/kubepods/poda/c1")
    tree = cgroups.tree()
    before = cgroups.signature(tree)
    assert cgroups.signature(tree) == before
    host.memcg("/kubepods/poda/c2")
    with_container = cgroups.signature(tree)
    host.memcg("/kubepods/podb")
    assert len({str(before), str(with_container), str(cgroups.signature(tree))}) == 3
