"""Which memcgs a choice can be about, in kubepods and outside it."""

import os
from pathlib import Path

import pytest

from guard_host import FakeHost
from oompolicy_agent.guard import listing
from oompolicy_agent.guard.layout import Kind, Place
from oompolicy_agent.guard.listing import MOST_DEEP, Listing
from oompolicy_agent.guard.memcgs import CgroupFS
from oompolicy_agent.guard.tree_watch import TreeWatch

BACKUP = "/system.slice/backup.service"


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return FakeHost(tmp_path)


@pytest.fixture
def memcgs(host: FakeHost) -> Listing:
    return Listing(CgroupFS(str(host.cgroups)), str(host.proc), TreeWatch())


def kinds(places: list[Place]) -> dict[str, Kind]:
    return {place.path: place.kind for place in places}


def named(host: FakeHost, pid: int, name: str) -> None:
    """Makes a process that the kernel calls so."""
    host.process(pid)
    (host.proc / str(pid) / "comm").write_text(name + "\n")


def test_lists_pods_and_containers_and_hides_what_is_decided_as_a_whole(host: FakeHost, memcgs: Listing) -> None:
    for path in ("/system.slice/ssh.service", "/kubepods/burstable/poda/c1/nested", "/kubepods/podb/c2", "/init.scope"):
        host.memcg(path)
    found = kinds(memcgs.tree(()))
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


def test_lists_parents_before_children(host: FakeHost, memcgs: Listing) -> None:
    host.memcg("/kubepods/burstable/poda/c1")
    paths = [place.path for place in memcgs.tree(())]
    assert paths == sorted(paths)


def test_finds_the_pods_of_a_kubelet_with_a_cgroup_root_of_its_own(host: FakeHost, memcgs: Listing) -> None:
    host.memcg("/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-poda.slice/cri-containerd-c1.scope")
    host.memcg("/kubelet.slice/kubelet.service")
    assert {place.path.rpartition("/")[2]: place.kind for place in memcgs.tree(())} == {
        "kubelet-kubepods.slice": Kind.TOP,
        "kubelet-kubepods-poda.slice": Kind.POD,
        "cri-containerd-c1.scope": Kind.CONTAINER,
        "kubelet.service": Kind.HOST,
    }


def test_the_id_of_a_memcg_is_its_inode(host: FakeHost, memcgs: Listing) -> None:
    folder = host.memcg("/system.slice")
    (place,) = memcgs.tree(())
    assert place.id == folder.stat().st_ino


def test_follows_no_link(host: FakeHost, memcgs: Listing) -> None:
    (host.cgroups / "link").symlink_to("/")
    assert memcgs.tree(()) == []


def test_lists_the_way_to_a_target_what_is_beside_it_and_what_is_in_it(host: FakeHost, memcgs: Listing) -> None:
    for path in (f"{BACKUP}/worker", f"{BACKUP}/main", BACKUP, "/system.slice/ssh.service", "/user.slice/u1"):
        host.memcg(path)
    found = memcgs.tree({BACKUP})
    assert kinds(found) == {
        "/system.slice": Kind.BRANCH,
        BACKUP: Kind.BRANCH,
        f"{BACKUP}/worker": Kind.HOST,
        f"{BACKUP}/main": Kind.HOST,
        "/system.slice/ssh.service": Kind.HOST,
        "/user.slice": Kind.HOST,
    }
    assert {place.path for place in found if place.target == BACKUP} == {BACKUP, f"{BACKUP}/worker", f"{BACKUP}/main"}


def test_the_nearest_target_counts(host: FakeHost, memcgs: Listing) -> None:
    for path in ("/a", "/a/b", "/a/b/c"):
        host.memcg(path)
    found = {place.path: place.target for place in memcgs.tree({"/a", "/a/b"})}
    assert found == {"/a": "/a", "/a/b": "/a/b", "/a/b/c": "/a/b"}


def test_a_service_with_child_cgroups_that_have_no_memory_controller_is_a_leaf(host: FakeHost, memcgs: Listing) -> None:
    host.memcg(BACKUP)
    (host.cgroups / BACKUP.lstrip("/") / "child").mkdir()
    assert kinds(memcgs.tree({BACKUP}))[BACKUP] is Kind.HOST


@pytest.mark.parametrize(
    "path", ["/kubepods", "/kubepods/burstable", "/kubepods/podx", "/kubepods/podx/c1", "/kubepods/other", "/", "/../x"]
)
def test_a_target_in_kubepods_or_nowhere_changes_nothing(host: FakeHost, memcgs: Listing, path: str) -> None:
    for memcg in ("/kubepods/burstable", "/kubepods/podx/c1/nested", "/kubepods/other/x", "/system.slice"):
        host.memcg(memcg)
    before = memcgs.tree(())
    assert memcgs.tree({path}) == before


@pytest.mark.parametrize(
    "name", ["kubelet", "containerd", "containerd-shim", "dockerd", "crio", "conmon", "k3s-server", ""]
)
def test_what_the_node_needs_is_recognised(host: FakeHost, memcgs: Listing, name: str) -> None:
    """The last one is a memcg of PID 1."""
    host.memcg(BACKUP)
    host.memcg(f"{BACKUP}/a/b", pids=(40,) if name else (1,))
    host.memcg(f"{BACKUP}/a")
    host.memcg(f"{BACKUP}/c", pids=(41,))
    named(host, 40, name)
    named(host, 41, "kubelet-imposter")
    assert {place.path for place in memcgs.tree({BACKUP}) if place.is_vital} == {f"{BACKUP}/a/b"}


def test_the_guard_itself_is_recognised(host: FakeHost, memcgs: Listing) -> None:
    host.memcg(BACKUP, pids=(os.getpid(),))
    assert [place.path for place in memcgs.tree({BACKUP}) if place.is_vital] == [BACKUP]


def test_sees_what_dies_as_one_for_the_kernel_too(host: FakeHost, memcgs: Listing) -> None:
    for path in (BACKUP, f"{BACKUP}/x", "/kubepods/poda", "/kubepods/podb", "/kubepods/podb/c"):
        (host.memcg(path) / "memory.oom.group").write_text("1\n" if path in {BACKUP, "/kubepods/poda"} else "0\n")
    assert {place.path for place in memcgs.tree({BACKUP}) if place.is_group} == {BACKUP, "/kubepods/poda"}


def test_what_is_too_deep_below_a_target_dies_with_what_it_is_in(host: FakeHost, memcgs: Listing) -> None:
    deep = "".join(f"/{level}" for level in range(MOST_DEEP + 10))
    for level in range(1, MOST_DEEP + 10):
        host.memcg("/a" + deep[: deep.index(f"/{level}")])
    found = memcgs.tree({"/a"})
    assert found[-1].path.count("/") == MOST_DEEP
    assert found[-1].kind is Kind.HOST


def test_what_is_too_much_below_a_target_dies_with_what_it_is_in(
    host: FakeHost, memcgs: Listing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "MOST_IN_TARGETS", 5)
    for path in ("/a", "/a/x", "/a/x/1", "/a/x/2", "/a/x/3", "/a/y", "/a/y/1", "/a/z", "/a/z/1"):
        host.memcg(path)
    leaves = [place.path for place in memcgs.tree({"/a"}) if place.kind is Kind.HOST]
    assert len(leaves) == 5
    assert {"/a/z", "/a/y", "/a/x"} & set(leaves), "one of them is not looked into"


def test_lists_again_only_what_it_was_told_to_forget(host: FakeHost, memcgs: Listing) -> None:
    host.memcg("/kubepods/poda/c1")
    host.memcg("/kubepods/podb/c1")
    memcgs.tree(())
    host.memcg("/kubepods/poda/c2")
    host.memcg("/kubepods/podb/c2")
    memcgs.forget(["/kubepods/poda"])
    found = kinds(memcgs.tree(()))
    assert ("/kubepods/poda/c2" in found, "/kubepods/podb/c2" in found) == (True, False)
    memcgs.forget()
    assert "/kubepods/podb/c2" in kinds(memcgs.tree(()))


def test_a_pod_that_was_made_anew_at_the_same_path_is_listed_anew(host: FakeHost, memcgs: Listing) -> None:
    host.memcg("/kubepods/poda/c1")
    memcgs.tree(())
    (host.cgroups / "kubepods/poda").rename(host.cgroups.parent / "away")
    host.memcg("/kubepods/poda/c2")
    memcgs.forget(["/kubepods"])
    assert [place.path for place in memcgs.tree(()) if place.kind is Kind.CONTAINER] == ["/kubepods/poda/c2"]
