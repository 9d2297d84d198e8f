"""What the page about symptoms says that one sees is what the programs say."""

import re

import pytest

from doc_pages import REPOSITORY

PAGE = (REPOSITORY / "docs" / "troubleshooting.md").read_text()
CODE = re.findall(r"`([^`\n]+)`", re.sub(r"^ *```.*?^ *```$", "", PAGE, flags=re.MULTILINE | re.DOTALL))
WORD = re.compile(r"(?:[A-Z][a-z]+|CgroupV1|NoPSI)(?:[A-Z][A-Za-z0-9]*)*")
NOT_OURS = {
    "ImagePullBackOff",
    "SUnreclaim",
    'unknown command "oompolicy"',
    "backend: Off",
    "mode: Off",
    "READY False",
    "rm /var/lib/oompolicy/break-glass",
    "uv tool install '.[cli]'",
    "11 of 12 nodes: 11 Userspace, 1 stale",
    "Shmem",
    "Memory",
}
"""Kubernetes' and the kernel's words, and what the reader types or reads in an object."""
OPTIONS = re.compile(r"^(kubectl |helm |oompolicy-guard |protect: |victim: |\{)")


def programs() -> str:
    """All that they can say."""
    folders = ("agent/oompolicy_agent", "operator/oompolicy_operator", "crds")
    files = [path for folder in folders for path in (REPOSITORY / folder).rglob("*") if path.suffix in {".py", ".yaml"}]
    return "\n".join(path.read_text() for path in files)


SAID = programs()
SENTENCES = sorted({one for one in CODE if " " in one and not OPTIONS.match(one)} - NOT_OURS)


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_sentence_is_one_of_the_programs(sentence: str) -> None:
    parts = [part.strip(" :,") for part in sentence.split("…")]
    assert [part for part in parts if part not in SAID] == []


@pytest.mark.parametrize("word", sorted({one for one in CODE if WORD.fullmatch(one)} - NOT_OURS))
def test_a_reason_is_one_of_the_programs(word: str) -> None:
    assert re.search(rf"\b{word}\b", SAID)
