"""A pod that somebody else is ending is waited for before anybody is killed, as long as there is time."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from guard_node import SHORT, Node

HIGH = "/kubepods/podhigh/high-main"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """The pod of high priority has been deleted, and memory is short."""
    node = Node(tmp_path, cooldownSeconds=0)
    node.terminating = "high"
    node.tell()
    node.host.meminfo(available=SHORT + 20)
    yield node
    for process in node.processes.values():
        process.kill()
        process.wait()


def falls_to(node: Node, mebibytes: int) -> None:
    """What the deleted pod still holds."""
    node.host.memcg(HIGH, current=mebibytes, pids=(node.processes["high"].pid,))


def test_nobody_is_killed_while_it_gives_back_what_it_has(node: Node, capfd: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        node.step()
    falls_to(node, 100)
    node.step()
    node.processes["high"].terminate()
    node.processes["high"].wait()
    node.host.memcg(HIGH)
    node.host.meminfo(available=900)
    for _ in range(2):
        node.step()
    assert not node.died("low")
    assert node.journal() == []
    said = capfd.readouterr().out
    assert said.count("Waiting although memory is short: shop/high is being deleted") == 1


def test_it_is_waited_for_once_and_not_for_long(node: Node) -> None:
    node.step()
    assert not node.died("low")
    stuck = node.parts.enforcer.execution
    while node.parts.enforcer.execution is stuck:
        node.step()
    node.step()
    assert node.died("low")
    assert node.processes["high"].poll() is None


def test_there_may_be_no_time_to_begin_with(node: Node) -> None:
    node.host.meminfo(available=SHORT - 1)
    node.step()
    assert node.died("low")


def test_it_is_left_alone_as_soon_as_there_is_no_time(node: Node) -> None:
    node.step()
    node.host.meminfo(available=SHORT - 1)
    for _ in range(2):
        node.step()
    assert node.died("low")
    assert node.processes["high"].poll() is None


def test_a_pod_without_a_process_is_not_waited_for(node: Node) -> None:
    node.host.memcg(HIGH, current=300)
    node.step()
    assert node.died("low")
