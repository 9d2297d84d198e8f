"""What sync knows itself, for its metrics."""

import json
from pathlib import Path
from typing import Any

import structlog

from oompolicy_agent.sync.journal import Journal, Position, save_position
from oompolicy_agent.sync.keeper import Keeper
from oompolicy_agent.sync.own_numbers import own_numbers
from oompolicy_agent.sync.world import Change, Kind, parse


def keeper(folder: Path) -> Keeper:
    nobody_is_asked: Any = None
    return Keeper(nobody_is_asked, folder / "targets.json", "w1", structlog.get_logger())


def test_before_anything_was_heard_nothing_is_known(tmp_path: Path) -> None:
    found = own_numbers(keeper(tmp_path), Journal(tmp_path / "decisions.jsonl"), tmp_path / "published.json")
    assert found == {"nodeMemoryBytes": None, "protectedRequestBytes": None, "unpublishedDecisions": 0}


def test_the_nodes_memory_is_its_capacity(tmp_path: Path) -> None:
    known = keeper(tmp_path)
    node = {"metadata": {"name": "w1", "uid": "u"}, "status": {"capacity": {"memory": "8Gi"}}}
    known.world = known.world.after(Change(Kind.NODE, parse(Kind.NODE, node)))
    assert known.node_memory_bytes == 8 << 30


def test_decisions_wait_until_the_place_in_the_journal_is_behind_them(tmp_path: Path) -> None:
    journal, place = Journal(tmp_path / "decisions.jsonl"), tmp_path / "published.json"
    (tmp_path / "decisions.jsonl").write_text("".join(json.dumps({"id": name}) + "\n" for name in "abc"))
    first, *_ = journal.records(Position())
    save_position(place, first.after)
    assert own_numbers(keeper(tmp_path), journal, place)["unpublishedDecisions"] == 2
