"""Page cache that memory.min keeps, on trees as the cgroup file system shows them; sizes in MiB."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from guard_host import FakeHost
from oompolicy_agent.guard.kept import Kept
from oompolicy_agent.guard.protection import MOST_WATCHED, Protection

MIB = 1 << 20
ENTRY = tuple[str, int, int, int | str]
"""A memcg: path, usage, page cache in it, memory.min."""


class Node:
    """A tree of memcgs, and what is protected in it."""

    def __init__(self, folder: Path) -> None:
        self.host = FakeHost(folder)
        self.host.mounts(recursive=True)
        self.kept = Kept(100)
        self.now = 0.0

    def build(self, *entries: ENTRY) -> None:
        """Makes memcgs, or changes them."""
        for path, usage, cache, minimum in entries:
            self.host.protect(path, current=usage, cache=cache, minimum=minimum)

    def watch(self, domain: str = "/") -> Protection:
        """What is under test."""
        return Protection(str(self.host.cgroups), domain, str(self.host.proc))

    def ask(self, protection: Protection) -> float:
        """How much is protected now."""
        return protection.protected(self.kept, self.now) / MIB


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path)
    yield node
    node.kept.close()


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        pytest.param([("/a", 100, 30, 0)], 0, id="nobody-asks"),
        pytest.param([("/a", 100, 30, 200)], 30, id="all-of-it-below-the-minimum"),
        pytest.param([("/a", 100, 30, 80)], 10, id="usage-above-the-minimum"),
        pytest.param([("/a", 100, 30, "max")], 30, id="everything-asked-for"),
        pytest.param([("/a", 100, 30, 200), ("/b", 50, 20, 200), ("/c", 90, 90, 0)], 50, id="sum-of-those-that-ask"),
        pytest.param([("/a", 100, 30, 0), ("/a/b", 100, 30, 200)], 0, id="nothing-from-a-parent-that-has-nothing"),
        pytest.param(
            [("/k", 180, 40, 100), ("/k/db", 100, 40, 100), ("/k/hog", 80, 0, 0)],
            40,
            id="a-hog-frees-no-neighbours-cache",
        ),
        pytest.param(
            [("/k", 180, 40, 100), ("/k/db", 110, 40, 100), ("/k/hog", 70, 0, 0)], 30, id="neighbour-above-its-minimum"
        ),
        pytest.param(
            [("/k", 300, 100, 100), ("/k/q", 200, 100, 100), ("/k/q/db", 100, 40, 100), ("/k/q/hog", 100, 60, 0)],
            40,
            id="a-pod-in-its-qos-class",
        ),
        pytest.param(
            [("/k", 200, 80, 50), ("/k/a", 100, 40, 100), ("/k/b", 100, 40, 100)], 0, id="asked-for-more-than-there-is"
        ),
        pytest.param(
            [("/k", 200, 160, 100), ("/k/a", 100, 80, 100), ("/k/b", 100, 80, 100)], 60, id="shared-out-by-usage"
        ),
    ],
)
def test_page_cache_that_reclaim_must_leave_alone(node: Node, entries: list[ENTRY], expected: int) -> None:
    node.build(*entries)
    assert node.ask(node.watch()) == expected


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        pytest.param([("/a", 100, 30, 200)], 30, id="a-leaf-keeps-its-own"),
        pytest.param([("/k", 100, 30, 200), ("/k/db", 100, 30, 0)], 0, id="a-parent-keeps-nothing-for-a-child"),
        pytest.param([("/k", 100, 30, 200), ("/k/db", 100, 30, 90)], 20, id="a-child-that-asks-itself"),
    ],
)
def test_without_the_mount_option_a_minimum_is_not_inherited(node: Node, entries: list[ENTRY], expected: int) -> None:
    node.host.mounts(recursive=False)
    node.build(*entries)
    assert node.ask(node.watch()) == expected


def test_below_another_domain_its_own_children_count(node: Node) -> None:
    node.build(("/kubepods", 100, 50, 0), ("/kubepods/pod1", 60, 50, 100), ("/other", 70, 70, 100))
    assert node.ask(node.watch("/kubepods")) == 50


def test_sizes_are_read_at_every_look_and_minima_seldom(node: Node) -> None:
    node.build(("/a", 100, 30, 200))
    protection = node.watch()
    assert node.ask(protection) == 30
    node.build(("/a", 110, 40, 200), ("/b", 10, 10, 10))
    assert node.ask(protection) == 40
    node.now = 10.0
    assert node.ask(protection) == 50


def test_a_domain_that_is_short_is_listed_less_often(node: Node) -> None:
    protection = node.watch()
    assert node.ask(protection) == 0
    node.build(("/a", 10, 10, 10))
    protection.is_short = True
    node.now = 59.0
    assert node.ask(protection) == 0
    node.now = 60.0
    assert node.ask(protection) == 10


def test_watches_those_that_keep_most(node: Node) -> None:
    node.build(*(((f"/m{number:02}", 100, number, 100)) for number in range(1, 2 * MOST_WATCHED + 1)))
    assert node.ask(node.watch()) == sum(range(MOST_WATCHED + 1, 2 * MOST_WATCHED + 1))


def test_a_memcg_that_is_gone_keeps_nothing(node: Node) -> None:
    node.build(("/a", 100, 30, 200), ("/b", 100, 20, 200))
    protection = node.watch()
    assert node.ask(protection) == 50
    node.kept.close()
    shutil.rmtree(node.host.cgroups / "a")
    assert node.ask(protection) == 20


def test_a_domain_that_is_gone_keeps_nothing(node: Node) -> None:
    assert node.ask(node.watch("/gone")) == 0
