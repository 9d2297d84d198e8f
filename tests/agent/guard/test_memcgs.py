"""What is read from cgroupfs, and that a vanished file is an answer."""

from pathlib import Path

import pytest

from guard_host import FakeHost
from oompolicy_agent.guard.memcgs import MOST_HELD, MOST_NESTED, CgroupFS

MIB = 1 << 20


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return FakeHost(tmp_path)


@pytest.fixture
def cgroups(host: FakeHost) -> CgroupFS:
    return CgroupFS(str(host.cgroups))


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


def test_what_is_held_open_reads_like_everything_else(host: FakeHost, cgroups: CgroupFS) -> None:
    host.memcg("/a", current=100, pids=(1,))
    cgroups.hold([("/a", "memory.current"), ("/a", "memory.stat"), ("/a", "cgroup.events"), ("/gone", "memory.stat")])
    host.memcg("/a", current=70, file=20)
    assert (cgroups.usage("/a", with_swap=False), cgroups.is_populated("/a")) == (50 * MIB, False)
    assert cgroups.usage("/gone", with_swap=False) is None


def test_holds_only_what_it_was_told_last_and_no_more_than_it_may(host: FakeHost, cgroups: CgroupFS) -> None:
    for number in range(MOST_HELD + 10):
        host.memcg(f"/{number}")
    before = open_files()
    cgroups.hold([(f"/{number}", "memory.current") for number in range(MOST_HELD + 10)])
    assert open_files() - before == MOST_HELD
    cgroups.hold([("/1", "memory.current")])
    assert open_files() - before == 1


def test_finds_what_is_below(host: FakeHost, cgroups: CgroupFS) -> None:
    folder = host.memcg("/a/b")
    assert cgroups.children("/a") == [("b", folder.stat().st_ino)]
    assert cgroups.children("/gone") == []
    assert (cgroups.exists("/a/b", "memory.current"), cgroups.exists("/a", "memory.current")) == (True, False)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
