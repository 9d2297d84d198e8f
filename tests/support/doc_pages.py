"""Reads the pages of the documentation: commands with what is shown of their output, headings, links."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

__all__ = ["REPOSITORY", "Block", "anchors", "blocks", "commands", "fences", "links", "pages"]

REPOSITORY: Final = Path(__file__).parents[2]
_LEFT_OUT: Final = {".venv", "node_modules", ".git"}
_FENCE: Final = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)
_COMMENT: Final = re.compile(r"(^|\s+)#\s.*$")
_LINK: Final = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING: Final = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)


class Block(NamedTuple):
    """One fence of commands, and the fence of text that follows it at once: what they print."""

    page: str
    line: int
    commands: tuple[str, ...]
    shown: str | None

    @property
    def place(self) -> str:
        """Where to find it."""
        return f"{self.page}:{self.line}"


def pages() -> Iterator[str]:
    """Every page, as a path from the top of the repository."""
    for path in sorted(REPOSITORY.rglob("*.md")):
        name = path.relative_to(REPOSITORY)
        if not _LEFT_OUT & set(name.parts):
            yield str(name)


def blocks(page: str) -> list[Block]:
    """Those of a page, in its order."""
    text = (REPOSITORY / page).read_text()
    fences = list(_FENCE.finditer(text))
    found = []
    for fence, following in zip(fences, [*fences[1:], None], strict=False):
        if fence["language"] == "sh":
            shown = _shown(text[fence.end() : following.start()], following) if following else None
            found.append(Block(page, text.count("\n", 0, fence.start()) + 1, tuple(commands(fence["text"])), shown))
    return found


def fences(page: str, language: str) -> list[str]:
    """The texts in those of one language."""
    found = _FENCE.finditer((REPOSITORY / page).read_text())
    return [fence["text"] for fence in found if fence["language"] == language]


def commands(text: str) -> Iterator[str]:
    """One for each line, without its comment; a backslash at the end continues it."""
    for line in text.replace("\\\n", " ").splitlines():
        if command := " ".join(_COMMENT.sub("", line).split()):
            yield command


def links(page: str) -> list[str]:
    """Where it leads to in this repository; examples in fences are none of it."""
    text = _FENCE.sub("", (REPOSITORY / page).read_text())
    return [link for link in _LINK.findall(text) if not re.match(r"[a-z]+:", link)]


def anchors(page: str) -> set[str]:
    """By which its headings are linked to, as GitHub makes them."""
    text = _FENCE.sub("", (REPOSITORY / page).read_text())
    found: set[str] = set()
    for heading in _HEADING.findall(text):
        name = _slug(heading)
        numbered = (f"{name}-{number}" for number in range(1, 100))
        found.add(name if name not in found else next(one for one in numbered if one not in found))
    return found


def _shown(between: str, following: re.Match[str]) -> str | None:
    return following["text"] if not between.strip() and following["language"] == "text" else None


def _slug(heading: str) -> str:
    words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
