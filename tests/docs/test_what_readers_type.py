"""Every command of the documentation runs, or the table says why not here and what does the same elsewhere."""

import pytest

from doc_pages import REPOSITORY, blocks, pages
from doc_reader import Reader
from doc_table import ELSEWHERE, PLACEHOLDERS, Elsewhere

LAST = "docs/operations.md"
"""It ends with taking everything away; so does this file, the last of its folder."""
NOT_HERE = {one.command for one in ELSEWHERE}


def typed(page: str) -> list[str]:
    """The commands of a page whose output it does not show; test_outputs.py has the others."""
    return [command for block in blocks(page) if block.shown is None for command in block.commands]


WITH_COMMANDS = sorted((page for page in pages() if typed(page)), key=lambda page: (page == LAST, page))


@pytest.mark.cluster
@pytest.mark.parametrize("page", WITH_COMMANDS)
def test_every_command_of_a_page_runs(reader: Reader, page: str) -> None:
    for command in typed(page):
        if command not in NOT_HERE:
            reader.types(command)


@pytest.mark.parametrize("entry", ELSEWHERE, ids=lambda one: one.command)
def test_what_does_not_run_here_is_in_a_page_and_its_test_is_there(entry: Elsewhere) -> None:
    assert entry.command in [command for page in WITH_COMMANDS for command in typed(page)]
    file, _, function = entry.test.partition("::")
    assert f"def {function}(" in (REPOSITORY / file).read_text() or not function


@pytest.mark.parametrize("placeholder", PLACEHOLDERS)
def test_every_placeholder_is_one_of_some_command(placeholder: str) -> None:
    assert any(placeholder in command.split() or placeholder in command for page in pages() for command in typed(page))
