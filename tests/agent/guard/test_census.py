"""Who is on the node, since when, and who of them is the guard itself."""

import os
import select
import shutil
from pathlib import Path

import pytest

from guard_host import FakeHost
from oompolicy_agent.guard import tree_watch
from oompolicy_agent.guard.census import Census
from oompolicy_agent.guard.layout import Kind
from oompolicy_agent.guard.memcgs import CgroupFS
from oompolicy_agent.guard.sandboxes import Roles
from oompolicy_agent.guard.settings import Limits
from oompolicy_agent.guard.targets import ContainerTarget, PodTarget, Targets

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


def test_a_container_that_appears_is_there_at_the_next_refresh(host: FakeHost) -> None:
    counted = census(host)
    host.memcg("/kubepods/podb")
    host.memcg("/kubepods/podb/b-main")
    assert counted.problem is None
    assert select.select([counted.descriptor], [], [], 10)[0], "the loop is not woken"
    counted.refresh(0.0)
    host.memcg("/kubepods/podb/b-second")
    counted.refresh(0.0)
    assert {place.path for place in counted.tree if place.pod_uid == "b"} == {
        "/kubepods/podb",
        "/kubepods/podb/b-main",
        "/kubepods/podb/b-second",
    }
    assert counted.version == 3


def test_a_container_is_identified_as_soon_as_it_is_seen_whoever_asks(host: FakeHost) -> None:
    """The loop asks with what it has read, a choice right after that with what the loop has made of it."""
    told = Targets(pods={"a": PodTarget("a", "shop", "a", 10, waiting=(ContainerTarget("late", "", 7),))})
    counted = census(host)
    assert counted.identified(told, 0.0) is told
    host.bundle("a-late", "container", "late")
    host.memcg("/kubepods/poda/a-late")
    counted.catch_up(0.0)
    found = counted.identified(told, 0.0)
    assert found.pods["a"].containers["a-late"].priority == 7
    assert counted.identified(found, 0.0) is counted.identified(told, 0.0) is found


def test_a_tree_in_which_nothing_happens_is_left_alone(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = census(host)
    monkeypatch.setattr(CgroupFS, "children", lambda *_: pytest.fail("it was listed again"))
    monkeypatch.setattr(CgroupFS, "links", lambda *_: pytest.fail("it was polled"))
    counted.refresh(59.0)
    assert counted.version == 1


@pytest.mark.parametrize(
    ("when", "expected"), [pytest.param(0.9, 1, id="at-most-once-a-second"), pytest.param(1.0, 2, id="then-it-asks")]
)
def test_without_inotify_it_polls(host: FakeHost, monkeypatch: pytest.MonkeyPatch, when: float, expected: int) -> None:
    monkeypatch.setattr(tree_watch, "MOST_WATCHES", 1)
    counted = census(host)
    assert counted.problem
    assert "polled" in counted.problem
    host.memcg("/kubepods/poda/a-second")
    counted.refresh(when)
    assert counted.version == expected


def test_lists_the_memcgs_of_targets_once_it_follows_them(host: FakeHost) -> None:
    host.memcg("/system.slice/backup.service")
    counted = census(host)
    counted.follow({"/system.slice/backup.service": None})
    counted.refresh(0.0)
    assert counted.place("/system.slice/backup.service").target
    counted.follow([])
    counted.refresh(0.0)
    with pytest.raises(KeyError):
        counted.place("/system.slice/backup.service")


def test_a_service_with_a_target_that_starts_to_have_memcgs_of_its_own_is_looked_into(host: FakeHost) -> None:
    service = "/system.slice/backup.service"
    host.memcg(service)
    counted = census(host)
    counted.follow([service, f"{service}/gone"])
    for number in range(3):
        host.memcg(f"/kubepods/pod{number}")
        counted.refresh(0.0)
    assert counted.place(service).kind is Kind.HOST
    host.memcg(f"{service}/worker")
    counted.refresh(0.0)
    assert counted.place(service).kind is Kind.BRANCH
    assert counted.place(f"{service}/worker").target == service


def test_polling_ends_when_watches_can_be_had_again(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as few:
        few.setattr(tree_watch, "MOST_WATCHES", 1)
        counted = census(host)
    assert counted.problem
    counted.refresh(300.0)
    assert counted.problem is None


def test_sees_a_change_of_memory_oom_group_within_five_minutes(host: FakeHost) -> None:
    folder = host.memcg("/kubepods/poda")
    counted = census(host)
    (folder / "memory.oom.group").write_text("1\n")
    counted.refresh(300.0)
    assert counted.place("/kubepods/poda").is_group


def test_asks_for_unknown_roles_once_a_second(host: FakeHost) -> None:
    host.memcg("/kubepods/poda/a-late", pids=(21,))
    counted = census(host)
    before = counted.facts(0.0)
    host.bundle("a-late", "sandbox")
    counted.refresh(0.9)
    assert counted.facts(0.9) is before
    counted.refresh(1.0)
    assert (before.roles["a-late"], counted.facts(1.0).roles["a-late"]) == (None, "sandbox")


def test_counts_a_pods_age_from_when_it_was_first_seen(host: FakeHost) -> None:
    counted = census(host)
    host.memcg("/kubepods/podb")
    counted.refresh(5.0)
    assert [counted.facts(now).young for now in (9.9, 10.0, 14.9, 15.0)] == [{"a", "b"}, {"b"}, {"b"}, set()]


def test_a_pod_that_comes_back_is_new(host: FakeHost) -> None:
    counted = census(host)
    host.memcg("/kubepods/podb")
    counted.refresh(5.0)
    shutil.rmtree(host.cgroups / "kubepods/podb")
    counted.refresh(10.0)
    host.memcg("/kubepods/podb")
    counted.refresh(20.0)
    assert counted.facts(29.9).young == {"b"}


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
    measured, gone = counted.measured(counted.facts(0.0), [a, c], with_swap=False)
    assert measured.usage == {a.id: 100 * MIB}
    assert measured.unread == {b.id}
    assert gone == []


def test_notices_that_somebody_is_gone(host: FakeHost) -> None:
    counted = census(host)
    place = counted.place("/kubepods/poda/a-main")
    (host.cgroups / "kubepods/poda/a-main").rename(host.cgroups / "away")
    measured, gone = counted.measured(counted.facts(0.0), [place], with_swap=False)
    assert measured.usage == {}
    assert gone == [place]
    counted.doubt(gone, 0.0)
    assert [other.path for other in counted.tree] == ["/kubepods", "/kubepods/poda"]


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


def test_knows_the_container_that_the_guard_runs_in(host: FakeHost) -> None:
    assert census(host).home is None
    host.memcg("/kubepods/podg/g-main", pids=(os.getpid(),))
    assert census(host, pod_uid="g").home == "/kubepods/podg/g-main"
