"""docs/security.md names every right that the chart gives, with its reason, and no other."""

import re
from pathlib import Path

import pytest
import yaml

from chart import rendered
from oompolicy_operator.confinement import GUARD_CAPABILITIES

PAGE = (Path(__file__).parents[2] / "docs" / "security.md").read_text()
PLACES = {
    "oompolicy-system": {
        "operator": "its own namespace",
        "agent": "operator's namespace",
        "retire": "operator's namespace",
        "check": "operator's namespace",
    },
    "oompolicy-agents": {"operator": "agents' namespace", "agent": "agents' namespace", "retire": "agents' namespace"},
    "default": {"operator": "default", "check": "default"},
}
Right = tuple[str, str, str, str]


def rows(heading: str) -> list[list[str]]:
    section = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    (found,) = [part for part in section if part.startswith(f"{heading}\n")]
    table = [line.strip("|").split("|") for line in found.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in table[2:]]


def documented(heading: str) -> set[Right]:
    """Group, resource, verb and place."""
    found = set()
    for group, resources, verbs, place, why in rows(heading):
        assert why
        for resource in resources.split(", "):
            found |= {("" if group == "core" else group, resource, verb, place) for verb in verbs.split(", ")}
    return found


def given(program: str) -> set[Right]:
    found = set()
    for role in rendered():
        if role["kind"] in {"ClusterRole", "Role"} and role["metadata"]["name"].startswith(f"oompolicy-{program}"):
            namespace = role["metadata"].get("namespace")
            place = PLACES[namespace][program] if namespace else "cluster"
            for rule in role["rules"]:
                assert not rule.keys() - {"apiGroups", "resources", "resourceNames", "verbs"}, yaml.safe_dump(rule)
                (group,) = rule["apiGroups"]
                only = "".join(f" ({name})" for name in rule.get("resourceNames", ()))
                resources = [resource + only for resource in rule["resources"]]
                found |= {(group, resource, verb, place) for resource in resources for verb in rule["verbs"]}
    return found


@pytest.mark.parametrize(
    ("heading", "program"),
    [
        ("The operator", "operator"),
        ("The agents", "agent"),
        ("Before an uninstallation", "retire"),
        ("helm test", "check"),
    ],
)
def test_every_right_has_its_reason(heading: str, program: str) -> None:
    assert documented(heading) == given(program)


def test_every_capability_has_its_reason() -> None:
    found = {name: why.replace("`", "") for name, why in rows("The guard's capabilities")}
    assert found == GUARD_CAPABILITIES
