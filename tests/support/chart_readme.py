"""Makes the chart's README from values.yaml: `python -m chart_readme` writes it, a test holds it against the values.

helm-docs does this with a syntax of its own in the comments; ours are plain sentences, and there are few.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from chart import CHART

__all__ = ["README", "described", "page"]

README = CHART / "README.md"
HEAD = """# The chart oompolicy

Installs the operator, the CRDs, and the rights of operator and agents; an `OOMPolicy` then makes the agents. See the
project's README for how to begin, and `docs/security.md` for every right and its reason.

```sh
helm install oompolicy charts/oompolicy --namespace oompolicy-system --create-namespace
```

This page is made from `values.yaml`. `values.schema.json` refuses what is not listed.

| value | default | meaning |
| --- | --- | --- |
"""
_KEY = re.compile(r"^( *)([A-Za-z]+):(.*)$")


class Value(NamedTuple):
    """One value with the comment above it; a section has no default."""

    path: str
    default: str
    comment: str


def page(values: str) -> str:
    """The whole README for the text of values.yaml."""
    rows = [f"| `{one.path}` | {one.default and f'`{one.default}`'} | {one.comment} |" for one in described(values)]
    return HEAD + "\n".join(rows) + "\n"


def described(text: str) -> Iterator[Value]:
    """The values that stand on a line of their own, and the sections that have a comment."""
    path: list[str] = []
    comment: list[str] = []
    for line in text.splitlines():
        if (stripped := line.strip()).startswith("#"):
            comment.append(stripped.lstrip("# "))
            continue
        if found := _KEY.match(line):
            path = [*path[: len(found[1]) // 2], found[2]]
            if comment or found[3].strip():
                yield Value(".".join(path), found[3].strip(), " ".join(comment))
        comment = []


if __name__ == "__main__":
    README.write_text(page((CHART / "values.yaml").read_text()))
