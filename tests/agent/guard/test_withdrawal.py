"""Where nobody wants a guard any more it leaves its journal and nothing else."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from guard_node import Node
from oompolicy_agent.guard.withdrawal import withdraw

JOURNAL, PUBLISHED = "outbox/decisions.jsonl", "inbox/published.json"


def left(node: Node) -> set[str]:
    folders = (Path(node.settings.state_directory), Path(node.settings.runtime_directory))
    return {str(path.relative_to(folder)) for folder in folders for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def new(tmp_path: Path) -> Iterator[Node]:
    """A guard that was told nothing yet."""
    found = Node(tmp_path)
    yield found
    for process in found.processes.values():
        process.kill()
        process.wait()


@pytest.fixture
def node(new: Node) -> Node:
    """A guard that has adjusted processes, reported, and answered who would die now."""
    for name in (JOURNAL, PUBLISHED):
        (new.host.state / name).write_text("")
    new.tell()
    (new.host.state / "inbox/inspect.json").write_text('{"request": "1"}')
    for _ in ("answers", "reports"):  # one after the other
        new.step()
        new.settle()
    answered = {"inbox/inspect.json", "outbox/inspected.json"}
    assert answered | {"inbox/targets.json", "outbox/guard-status.json", "adjusted.json", "intents"} <= left(new)
    return new


def test_no_policy_leaves_the_journal_and_how_far_it_was_read(node: Node) -> None:
    node.others = {"policy": None}
    node.tell()
    node.step()
    node.settle()
    assert withdraw(node.parts)
    assert left(node) == {JOURNAL, PUBLISHED}


@pytest.mark.parametrize("mode", ["Enforce", "Audit", "Off"])
def test_a_policy_that_is_there_keeps_everything(node: Node, mode: str) -> None:
    node.tell(mode=mode)
    node.step()
    node.settle()
    before = left(node)
    assert not withdraw(node.parts)
    assert left(node) == before


def test_a_guard_that_was_told_nothing_removes_nothing(new: Node) -> None:
    new.step()
    new.settle()
    before = left(new)
    assert not withdraw(new.parts)
    assert left(new) == before
