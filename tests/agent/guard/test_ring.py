"""The ring of intents survives the guard, tears nothing down with it, and never grows."""

import json
import os
from pathlib import Path

import pytest

from oompolicy_agent.guard.files import make_directory
from oompolicy_agent.guard.log import Log
from oompolicy_agent.guard.ring import SLOT_BYTES, SLOTS, Ring


def ring(folder: Path) -> Ring:
    return Ring(make_directory(str(folder), 0o700), Log())


def names(found: Ring) -> list[str]:
    return sorted(str(record["id"]) for record in found.left().values())


def test_the_next_guard_finds_what_was_put(tmp_path: Path) -> None:
    first = ring(tmp_path)
    first.put({"id": "a"})
    first.put({"id": "b"})
    assert names(ring(tmp_path)) == ["a", "b"]


def test_what_is_cleared_is_gone(tmp_path: Path) -> None:
    first = ring(tmp_path)
    slot = first.put({"id": "a"})
    first.put({"id": "b"})
    first.clear(slot)
    assert names(ring(tmp_path)) == ["b"]


def test_what_was_found_is_not_written_over(tmp_path: Path) -> None:
    ring(tmp_path).put({"id": "a"})
    second = ring(tmp_path)
    second.left()
    second.put({"id": "b"})
    assert names(ring(tmp_path)) == ["a", "b"]


def test_a_record_that_a_crash_tore_is_passed_over(tmp_path: Path) -> None:
    ring(tmp_path).put({"id": "a"})
    with (tmp_path / "intents").open("r+b") as file:
        file.seek(SLOT_BYTES)
        file.write(b'{"id": "b", "outc')
    assert names(ring(tmp_path)) == ["a"]


def test_when_all_slots_are_taken_the_oldest_goes(tmp_path: Path) -> None:
    first = ring(tmp_path)
    for number in range(SLOTS + 2):
        first.put({"id": f"{number:02}"})
    assert names(ring(tmp_path)) == [f"{number:02}" for number in range(2, SLOTS + 2)]


def test_what_does_not_fit_goes_without_its_lists(tmp_path: Path) -> None:
    ring(tmp_path).put({"id": "a", "layers": ["x" * SLOT_BYTES], "ranking": []})
    assert ring(tmp_path).left() == {0: {"id": "a"}}


def test_what_does_not_fit_loses_first_what_explains_least(tmp_path: Path) -> None:
    ring(tmp_path).put({"id": "a", "layers": ["x"], "ranking": [], "samples": ["x" * SLOT_BYTES]})
    assert ring(tmp_path).left() == {0: {"id": "a", "layers": ["x"], "ranking": []}}


def test_a_shorter_record_leaves_nothing_of_a_longer_one(tmp_path: Path) -> None:
    first = ring(tmp_path)
    first.clear(first.put({"id": "a" * 1000}))
    first.put({"id": "b"})
    assert (tmp_path / "intents").read_bytes()[:SLOT_BYTES].rstrip(b"\0") == json.dumps({"id": "b"}).encode()


def test_without_a_directory_it_says_so_and_keeps_nothing() -> None:
    nowhere = Ring(None, Log())
    assert nowhere.problem
    assert nowhere.put({"id": "a"}) is None
    nowhere.clear(None)
    assert nowhere.left() == {}


def test_a_link_in_its_place_is_not_followed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "elsewhere").write_text("precious")
    os.symlink(tmp_path / "elsewhere", tmp_path / "intents")  # noqa: PTH211 - reads like the call that is tried
    assert ring(tmp_path).problem
    assert (tmp_path / "elsewhere").read_text() == "precious"
    assert "Could not map the ring" in capfd.readouterr().out
