"""The targets file is an interface: what agent/README.md says of it is true."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from oompolicy_agent.guard.targets_json import parse

README = Path(__file__).parents[3] / "agent/README.md"
SECTION = README.read_text().partition("### targets.json\n")[2].partition("\n### ")[0]
EXAMPLES = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", SECTION, re.DOTALL)]
ROWS = [line.split(" | ") for line in SECTION.splitlines() if line.startswith("| `")]
DOCUMENTED = {field for row in ROWS for field in re.findall(r"`([^`]+)`", row[0])}
REQUIRED = {field for row in ROWS if row[2].startswith("required") for field in re.findall(r"`([^`]+)`", row[0])}


def fields(found: Any, prefix: str = "") -> set[str]:  # noqa: ANN401 - any JSON
    """Every field in a document, as the table names it."""
    if isinstance(found, list):
        return {field for item in found for field in fields(item, f"{prefix[:-1]}[].")}
    if not isinstance(found, dict):
        return set()
    inside = {field for name, value in found.items() for field in fields(value, f"{prefix}{name}.")}
    return {f"{prefix}{name}" for name in found} | inside


def without(field: str) -> bytes:
    """The first example without a field, in the first entry of every list on the way to it."""
    document = json.loads(json.dumps(EXAMPLES[0]))
    *way, last = field.split(".")
    spot = document
    for name in way:
        spot = spot[name.removesuffix("[]")]
        spot = spot[0] if name.endswith("[]") else spot
    spot.pop(last, None)
    return json.dumps(document).encode()


@pytest.mark.parametrize("example", EXAMPLES, ids=["cluster", "bare-host"])
def test_the_examples_are_understood_to_the_last_field(example: object) -> None:
    targets = parse(json.dumps(example).encode())
    assert targets.policy
    assert targets.host_cgroups
    assert (targets.problems, targets.unknown_fields) == ((), ())


def test_the_table_and_the_examples_have_the_same_fields() -> None:
    assert set().union(*map(fields, EXAMPLES)) - {"policy.trigger", "policy.budget"} == DOCUMENTED


@pytest.mark.parametrize("field", sorted(DOCUMENTED))
def test_only_what_is_called_required_is_missed(field: str) -> None:
    if field in REQUIRED:
        with pytest.raises(ValueError, match="expected"):
            parse(without(field))
    elif field not in {"pods[].priority", "hostCgroups[].priority"}:  # which `protect` could stand in for
        parse(without(field))
