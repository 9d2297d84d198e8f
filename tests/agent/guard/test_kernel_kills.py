"""Which of the kernel's own kills count."""

from pathlib import Path

import pytest

from guard_host import FakeHost
from oompolicy_agent.guard.kernel_kills import KernelKills
from oompolicy_agent.guard.layout import Kind, Place
from oompolicy_agent.guard.memcgs import CgroupFS


class Node:
    """A host with two pods, watched."""

    def __init__(self, folder: Path) -> None:
        self.host = FakeHost(folder)
        for path in ("/kubepods", "/kubepods/poda", "/kubepods/podb"):
            self.host.memcg(path)
        tree = CgroupFS(str(self.host.cgroups)).tree()
        self.top = next(place for place in tree if place.kind is Kind.TOP)
        self.pods = [place for place in tree if place.kind is Kind.POD]
        self.kills = KernelKills(CgroupFS(str(self.host.cgroups)))
        self.kills.adopt(self.pods, self.top)
        assert self.look(5) == [], "what was before us does not count"

    def look(self, total: int) -> list[tuple[str | None, int, str]]:
        """What the kernel killed since the last look: pod, processes, domain."""
        found = self.kills.since_last(total, self.pods, self.top)
        return [(_name(kill.pod), kill.count, kill.domain) for kill in found]


def _name(place: Place | None) -> str | None:
    return place.path.rpartition("/")[2] if place else None


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_nothing_happened(node: Node) -> None:
    assert node.look(5) == []


def test_a_shortage_of_the_node_took_processes_of_a_pod(node: Node) -> None:
    node.host.memcg("/kubepods/poda", oom=(0, 2))
    assert node.look(7) == [("poda", 2, "/")]
    assert node.look(7) == []


def test_the_pods_common_limit_took_a_process(node: Node) -> None:
    node.host.memcg("/kubepods", oom=(1, 1))
    node.host.memcg("/kubepods/podb", oom=(0, 1))
    assert node.look(6) == [("podb", 1, "/kubepods")]


def test_a_pod_at_its_own_limit_is_its_own_affair(node: Node) -> None:
    node.host.memcg("/kubepods/poda", oom=(1, 1))
    assert node.look(6) == []


def test_a_process_of_the_host(node: Node) -> None:
    assert node.look(6) == [(None, 1, "/")]


def test_a_pod_that_came_later_starts_where_it_is(node: Node) -> None:
    node.host.memcg("/kubepods/podc", oom=(3, 3))
    tree = CgroupFS(str(node.host.cgroups)).tree()
    node.pods = [place for place in tree if place.kind is Kind.POD]
    node.kills.adopt(node.pods, node.top)
    node.host.memcg("/kubepods/podc", oom=(3, 4))
    assert node.look(6) == [("podc", 1, "/")]
