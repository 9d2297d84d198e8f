"""Which of the kernel's own kills count, for which domain, and whom they took."""

from pathlib import Path

import pytest

from guard_host import FakeHost
from oompolicy_agent.guard.kernel_kills import Belated, KernelKills
from oompolicy_agent.guard.layout import Kind, Place
from oompolicy_agent.guard.memcgs import CgroupFS

TOP = Place("/kubepods", 1, Kind.TOP)
PODS = [Place(f"/kubepods/pod{name}", number, Kind.POD, name) for number, name in ((10, "a"), (20, "b"))]
CONTAINERS = [
    Place(f"{pod.path}/{name}", pod.id + number, Kind.CONTAINER, pod.pod_uid, name)
    for pod in PODS
    for number, name in ((1, "one"), (2, "two"))
]
Seen = tuple[str | None, str | None, int, str]


class Node:
    """A host with two pods of two containers, watched."""

    def __init__(self, folder: Path) -> None:
        self.host = FakeHost(folder)
        self.tree = [TOP, *PODS, *CONTAINERS]
        for place in self.tree:
            self.host.memcg(place.path)
        self.kills = KernelKills(CgroupFS(str(self.host.cgroups)))
        self.kills.adopt(self.tree, TOP)
        assert self.look(5) == [], "what was before us does not count"

    def look(self, total: int) -> list[Seen]:
        """What the kernel killed since the last look: pod, container, processes, domain."""
        found = self.kills.since_last(total, self.tree, TOP)
        return [
            (
                kill.pod.pod_uid if kill.pod else None,
                kill.container.container_id if kill.container else None,
                kill.count,
                kill.domain,
            )
            for kill in found
        ]


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_nothing_happened(node: Node) -> None:
    assert node.look(5) == []


def test_a_shortage_of_the_node_took_processes_of_a_container(node: Node) -> None:
    node.host.memcg("/kubepods/poda", oom=(0, 2))
    node.host.memcg("/kubepods/poda/two", oom=(0, 2))
    assert node.look(7) == [("a", "two", 2, "/")]
    assert node.look(7) == []


def test_of_a_container_that_is_gone_only_the_pod_is_known(node: Node) -> None:
    node.host.memcg("/kubepods/poda", oom=(0, 2))
    assert node.look(7) == [("a", None, 2, "/")]


def test_a_kill_that_a_pod_counts_before_the_total_was_read_is_not_counted_twice(node: Node) -> None:
    node.host.memcg("/kubepods/poda", oom=(0, 2))
    assert node.look(6) == [("a", None, 2, "/")]
    assert node.look(7) == []
    assert node.look(8) == [(None, None, 1, "/")]


def test_the_pods_common_limit_took_a_process(node: Node) -> None:
    node.host.memcg("/kubepods", oom=(1, 1))
    node.host.memcg("/kubepods/podb", oom=(0, 1))
    assert node.look(6) == [("b", None, 1, "/kubepods")]


def test_a_pod_at_its_own_limit_is_told_apart(node: Node) -> None:
    node.host.memcg("/kubepods/poda", oom=(1, 1))
    assert node.look(6) == [("a", None, 1, "/kubepods/poda")]


def test_a_process_of_the_host(node: Node) -> None:
    assert node.look(6) == [(None, None, 1, "/")]


def test_every_process_is_counted_once(node: Node) -> None:
    for pod in ("a", "b"):
        node.host.memcg(f"/kubepods/pod{pod}", oom=(0, 1))
    assert sum(count for _, _, count, _ in node.look(8)) == 3


def test_a_pod_that_came_later_starts_where_it_is(node: Node) -> None:
    node.host.memcg("/kubepods/podc", oom=(3, 3))
    node.tree.append(Place("/kubepods/podc", 30, Kind.POD, "c"))
    node.kills.adopt(node.tree, TOP)
    node.host.memcg("/kubepods/podc", oom=(3, 4))
    assert node.look(6) == [("c", None, 1, "/")]


def test_a_belated_count_is_what_it_was_two_seconds_ago() -> None:
    belated = Belated(2.0)
    looks = [(0.0, 5), (1.0, 5), (10.0, 6), (10.1, 7), (11.9, 7), (12.0, 7), (12.1, 9), (14.0, 9), (14.1, 9)]
    assert [belated.seen(*look) for look in looks] == [5, 5, 5, 5, 5, 6, 7, 7, 9]


def test_a_total_that_is_lower_than_one_before_counts_nothing_twice(tmp_path: Path) -> None:
    node = Node(tmp_path)
    assert len(node.look(7)) == 1
    assert node.look(6) == []
    assert node.look(7) == []
