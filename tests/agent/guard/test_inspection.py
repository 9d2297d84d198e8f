"""Who asks is told once who is on the node and what everybody uses, unless memory is short."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from guard_node import SHORT, Node
from oompolicy_agent.guard import inspection
from oompolicy_agent.inspection import ANSWER, REQUEST
from oompolicy_agent.select import victims
from oompolicy_agent.snapshot_json import parse


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    monkeypatch.setattr(inspection, "PAUSE_SECONDS", 0.0)
    node = Node(tmp_path)
    node.tell()
    yield node
    for process in node.processes.values():
        process.send_signal(signal.SIGKILL)
        process.wait()


def ask(node: Node, content: object) -> None:
    path = node.host.state / "inbox" / REQUEST
    (path.parent / "new").write_text(json.dumps(content))
    (path.parent / "new").replace(path)


def answered(node: Node) -> dict[str, Any] | None:
    node.step()
    node.settle()
    path = node.host.state / "outbox" / ANSWER
    found: dict[str, Any] | None = json.loads(path.read_text()) if path.exists() else None
    return found


def test_nobody_asks_and_nothing_is_written(node: Node) -> None:
    assert answered(node) is None


def test_the_answer_is_a_tree_that_can_be_ranked_with_whose_everything_is(node: Node) -> None:
    ask(node, {"request": "one"})
    found = answered(node)
    assert found
    assert (found["request"], found["policy"], found["backend"]) == ("one", "mixed", "Userspace")
    order = [one.path for one in victims(parse(json.dumps(found["snapshot"]).encode()))]
    assert order == ["/kubepods/podlow/low-main", "/kubepods/podhigh/high-main"]
    whose = found["victims"][order[0]]
    assert (whose["namespace"], whose["pod"], whose["container"], whose["rule"]) == ("shop", "low", "main", "low")


def test_each_request_is_answered_once(node: Node) -> None:
    ask(node, {"request": "one"})
    first = answered(node)
    assert answered(node) == first
    ask(node, {"request": "two"})
    second = answered(node)
    assert second
    assert second["request"] == "two"


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param([], id="no-object"),
        pytest.param({}, id="no-text"),
        pytest.param({"request": 1}, id="a-number"),
        pytest.param({"request": "x" * 65}, id="too-long"),
        pytest.param({"request": "x", "more": "y" * 5000}, id="too-large"),
    ],
)
def test_what_is_no_request_is_left_alone(node: Node, request_: object) -> None:
    ask(node, request_)
    assert answered(node) is None


def test_while_memory_is_short_nobody_is_answered(node: Node) -> None:
    node.host.meminfo(available=SHORT)
    ask(node, {"request": "one"})
    assert answered(node) is None
