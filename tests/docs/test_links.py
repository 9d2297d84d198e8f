"""No page leads nowhere."""

from pathlib import PurePosixPath

import pytest

from doc_pages import REPOSITORY, anchors, links, pages

ANCHORS_OF_ALERTS = {
    "the-guard-is-off",
    "the-kernel-killed-the-wrong-one",
    "the-budget-is-spent",
    "nothing-can-be-killed",
    "the-agent-is-stale",
    "memory-that-no-kill-frees",
}


def broken(page: str) -> list[str]:
    """The links of a page that lead to no file, or to no heading of one."""
    folder = PurePosixPath(page).parent
    found = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (REPOSITORY / folder / path).resolve() if path else REPOSITORY / page
        if not target.exists() or (anchor and anchor not in anchors(str(target.relative_to(REPOSITORY)))):
            found.append(link)
    return found


@pytest.mark.parametrize("page", list(pages()))
def test_every_link_leads_to_a_file_and_a_heading(page: str) -> None:
    assert broken(page) == []


def test_what_alerts_link_to_is_a_heading_of_the_page_about_symptoms() -> None:
    assert anchors("docs/troubleshooting.md") >= ANCHORS_OF_ALERTS


def test_every_page_of_the_documentation_is_linked_from_the_readme() -> None:
    assert {page for page in pages() if page.startswith("docs/")} <= set(links("README.md"))
