"""Following the guard's journal: nothing is lost, whatever the guard, the disk or a restart does in between."""

import json
from pathlib import Path

import pytest

from oompolicy_agent.sync.journal import Journal, Position, load_position, save_position


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "decisions.jsonl"


def write(path: Path, *names: str, end: str = "\n") -> None:
    """Appends one record for each name, as the guard does; without `end` the last one is half written."""
    with path.open("a") as file:
        file.write("\n".join(json.dumps({"id": name}) for name in names) + end)


def rotate(path: Path) -> None:
    path.rename(path.with_name("decisions.jsonl.1"))


def read(path: Path, position: Position) -> tuple[list[str], Position]:
    """The names after `position`, and the position after them."""
    names = []
    for record in Journal(path).records(position):
        names.append(record.content["id"] if record.content else "?")
        position = record.after
    return names, position


def test_reads_everything_once(path: Path) -> None:
    write(path, "a", "b")
    names, position = read(path, Position())
    assert names == ["a", "b"]
    assert read(path, position) == ([], position)
    write(path, "c")
    assert read(path, position)[0] == ["c"]


def test_no_journal_is_nothing_to_read(path: Path) -> None:
    assert read(path, Position()) == ([], Position())
    assert Journal(path).state() is None


@pytest.mark.parametrize("before", [[], ["a"]], ids=["first-line", "later-line"])
def test_a_half_written_line_waits_for_its_end(path: Path, before: list[str]) -> None:
    write(path, *before, "b", end="")
    names, position = read(path, Position())
    assert names == before
    with path.open("a") as file:
        file.write("\n")
    assert read(path, position)[0] == ["b"]


def test_a_line_that_is_no_object_is_passed_over_and_said(path: Path) -> None:
    write(path, "a")
    with path.open("a") as file:
        file.write("{no\n[1]\n\n")
    write(path, "b")
    assert read(path, Position())[0] == ["a", "?", "?", "?", "b"]


def test_the_rest_of_a_rotated_file_is_read_before_the_new_one(path: Path) -> None:
    write(path, "a", "b")
    first = next(Journal(path).records(Position())).after
    rotate(path)
    write(path, "c")
    assert read(path, first)[0] == ["b", "c"]


def test_a_rotation_with_nothing_new_yet_reads_what_was_left(path: Path) -> None:
    write(path, "a", "b")
    first = next(Journal(path).records(Position())).after
    rotate(path)
    assert read(path, first)[0] == ["b"]


def test_after_two_rotations_everything_that_is_left_is_read(path: Path) -> None:
    write(path, "a")
    _, position = read(path, Position())
    for name in ("b", "c"):
        rotate(path)
        write(path, name)
    assert read(path, position)[0] == ["b", "c"]


def test_a_file_is_known_by_its_content_and_not_by_its_inode(path: Path) -> None:
    write(path, "a", "b")
    _, position = read(path, Position())
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    write(path, "c")
    assert read(path, position)[0] == ["c"]


def test_a_rotation_while_reading_loses_nothing(path: Path) -> None:
    write(path, "a", "b")
    records = Journal(path).records(Position())
    first = next(records)
    rotate(path)
    write(path, "c")
    assert [first.content, *(r.content for r in records)] == [{"id": "a"}, {"id": "b"}]
    assert read(path, first.after)[0] == ["b", "c"]


def test_state_differs_when_something_was_appended_or_rotated(path: Path) -> None:
    journal = Journal(path)
    write(path, "a")
    states = [journal.state()]
    write(path, "b")
    states.append(journal.state())
    rotate(path)
    write(path, "c")
    states.append(journal.state())
    assert len(set(states)) == 3


def test_the_place_survives_a_restart(tmp_path: Path) -> None:
    kept = tmp_path / "published.json"
    save_position(kept, Position("d1ge57", 12))
    assert load_position(kept) == Position("d1ge57", 12)
    assert [p.name for p in tmp_path.iterdir()] == ["published.json"]


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"head": 1, "offset": 2}', '{"head": "x", "offset": -2}'])
def test_a_place_that_cannot_be_read_is_the_beginning(tmp_path: Path, content: str | None) -> None:
    kept = tmp_path / "published.json"
    if content is not None:
        kept.write_text(content)
    assert load_position(kept) == Position()
