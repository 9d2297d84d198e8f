"""Slow things are built once for each set of inputs, whole or not at all, and the cache does not grow for ever."""

from pathlib import Path

import pytest

from lab import cache


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OOMPOLICY_CACHE", str(tmp_path))
    return tmp_path


def write(folder: Path) -> None:
    (folder / "made").write_text("yes")


def refuse(folder: Path) -> None:
    raise AssertionError(f"built {folder} again")


def test_the_same_inputs_are_built_once() -> None:
    first = cache.built("thing", ["1"], write)
    assert cache.built("thing", ["1"], refuse) == first
    assert (cache.is_built("thing", ["1"]), cache.is_built("thing", ["2"])) == (True, False)
    assert (first / "made").read_text() == "yes"


def test_another_input_is_another_build() -> None:
    assert cache.built("thing", ["1"], write) != cache.built("thing", ["2"], write)


def test_a_changed_file_is_another_input(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("a")
    before = cache.key_of([source])
    source.write_text("b")
    assert cache.key_of([source]) != before


def test_a_build_that_fails_leaves_nothing_that_looks_finished() -> None:
    with pytest.raises(AssertionError, match="again"):
        cache.built("thing", ["1"], refuse)
    assert (cache.built("thing", ["1"], write) / "made").exists()


def test_the_builds_used_last_are_kept_and_others_left_alone(root: Path) -> None:
    other = cache.built("thing-else", ["0"], write)
    for number in range(5):
        last = cache.built("thing", [str(number)], write)
    assert last.exists()
    assert other.exists()
    assert len([path for path in root.glob("thing-*") if path.is_dir()]) == cache.KEPT + 1
