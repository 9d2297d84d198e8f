"""The examples are good for more than being looked at."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from doc_pages import REPOSITORY, fences, pages
from doc_reader import Reader
from oompolicy_agent.select import victims
from oompolicy_agent.snapshot_json import parse

DOCS = REPOSITORY / "docs"
MANIFESTS = sorted((DOCS / "examples").glob("*.yaml"))
PICTURES = sorted((DOCS / "pictures").glob("*.svg"))


@pytest.mark.cluster
def test_the_api_server_takes_every_example(reader: Reader) -> None:
    kubectl = reader.control_plane.kubectl
    text = "\n---\n".join(path.read_text() for path in MANIFESTS)
    first = [one for one in text.split("\n---\n") if re.search(r"^kind: (Namespace|PriorityClass)$", one, re.MULTILINE)]
    kubectl("apply", "-f", "-", input="\n---\n".join(first))
    for name in re.findall(r"^kind: Namespace\nmetadata: {name: ([-a-z0-9]+)", "\n".join(first), re.MULTILINE):
        kubectl("-n", name, "wait", "--for=create", "serviceaccount/default", "--timeout=60s")
    said = kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", input=text)
    assert said.count("(server dry run)") == len(re.findall(r"^kind: ", text, re.MULTILINE))


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.stem)
def test_a_picture_shows_the_order_that_the_rule_gives(picture: Path) -> None:
    drawn = {
        found.attrib["data-path"]: int(found.attrib["data-place"])
        for found in ET.parse(picture).iter()  # noqa: S314 - it is ours
        if "data-place" in found.attrib
    }
    snapshot = parse((DOCS / "examples" / f"{picture.stem}.json").read_bytes())
    assert drawn == {one.path: place for place, one in enumerate(victims(snapshot), 1)}


@pytest.mark.parametrize("example", [path.name for path in sorted((DOCS / "examples").iterdir())])
def test_every_example_is_on_some_page(example: str) -> None:
    assert any(example in page.read_text() for page in DOCS.glob("*.md"))


@pytest.mark.parametrize("page", [page for page in pages() if page.startswith("docs/") and fences(page, "yaml")])
def test_what_a_page_shows_of_an_example_is_in_it(page: str) -> None:
    examples = [path.read_text() for path in MANIFESTS]
    assert [shown for shown in fences(page, "yaml") if not any(shown in one for one in examples)] == []
