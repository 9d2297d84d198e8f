"""In the comparison nothing is said of others without a source."""

import re

import pytest

from doc_pages import REPOSITORY

PAGE = (REPOSITORY / "docs" / "comparison.md").read_text()
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| ")]
NEEDS_NONE = re.compile(r"no|not documented|not measured|nothing in Kubernetes")
SOURCE = re.compile(r"\[\^(\w+)\]")


@pytest.mark.parametrize("row", ROWS[2:], ids=lambda row: row[0])
def test_every_cell_about_others_names_its_source(row: list[str]) -> None:
    assert [cell for cell in row[2:] if not NEEDS_NONE.fullmatch(cell) and not SOURCE.search(cell)] == []


def test_every_source_is_named_once_and_used() -> None:
    named = re.findall(r"^\[\^(\w+)\]:", PAGE, re.MULTILINE)
    assert len(named) == len(set(named))
    assert set(named) == {source for row in ROWS for cell in row for source in SOURCE.findall(cell)}
