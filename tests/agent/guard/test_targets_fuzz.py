"""Whatever JSON stands in any field of the targets file, it is read or refused by name: nothing else comes out."""

import copy
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from oompolicy_agent.guard.fields import FieldError
from oompolicy_agent.guard.targets import Targets
from oompolicy_agent.guard.targets_json import parse

FULL: dict[str, Any] = {
    "formatVersion": 1,
    "writtenAt": "2026-11-24T01:53:49.000Z",
    "node": "worker-1",
    "kubeletHardEvictionBytes": 1,
    "policy": {
        "name": "mixed",
        "uid": "6f1c",
        "generation": 3,
        "mode": "Enforce",
        "backends": ["KernelHook", "Userspace"],
        "defaultPriority": 0,
        "tieBreak": "Newest",
        "trigger": {
            "memoryAvailableBytes": 1000,
            "memoryAvailablePercent": None,
            "pressureFullMilliseconds": 100,
            "windowMilliseconds": 1000,
            "swapFreePercent": 10,
        },
        "budget": {"cooldownSeconds": 5, "maximumKills": 10, "windowSeconds": 300},
    },
    "pods": [
        {
            "uid": "0b9c",
            "namespace": "shop",
            "name": "db",
            "priority": 900,
            "protect": None,
            "unit": "Container",
            "rule": "databases",
            "source": "Rule",
            "requestBytes": 1024,
            "guaranteed": False,
            "graceMilliseconds": 1000,
            "restartPolicy": "Always",
            "terminating": False,
            "containers": [{"name": "db", "id": "3c41", "priority": None, "requestBytes": 512}],
        }
    ],
    "hostCgroups": [{"path": "/a", "priority": None, "protect": "Always", "requestBytes": 0}],
}
Path = tuple[str | int, ...]


def places(found: Any, path: Path = ()) -> list[Path]:  # noqa: ANN401 - any JSON
    """Where something stands in a JSON value, from the outside in."""
    inside = found.items() if isinstance(found, dict) else enumerate(found) if isinstance(found, list) else ()
    return [path, *(place for key, value in inside for place in places(value, (*path, key)))]


def with_value(path: Path, value: object) -> object:
    """The full document with another value in one place."""
    document: Any = copy.deepcopy({"": FULL})
    *way, last = ("", *path)
    spot = document
    for key in way:
        spot = spot[key]
    spot[last] = value
    return document[""]


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**31, 2**53, 2**63, -(2**31) - 1])
    | st.floats()
    | st.text()
    | st.sampled_from(["Always", "Request", "Pod", "Off", "/", "/kubepods", "..", "\ud800", "a" * 5000])
)
keys = st.text() | st.sampled_from(["name", "uid", "path", "priority", "protect", "trigger", "pods", "id", "mode"])
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=12
)
law = settings(derandomize=True, database=None, deadline=None, max_examples=500)


def read_or_refuse(document: bytes) -> Targets | str:
    """The targets, or why they were refused: one short line."""
    try:
        return parse(document)
    except FieldError as error:
        return _short_line(str(error))


def _short_line(text: str) -> str:
    assert text.isprintable()
    assert len(text) < 600
    return text


def test_the_document_that_the_others_spoil_is_good() -> None:
    targets = parse(json.dumps(FULL).encode())
    assert (targets.problems, targets.unknown_fields) == ((), ())


@law
@given(st.sampled_from(places(FULL)), values)
def test_any_value_in_any_place_is_read_or_refused(path: Path, value: object) -> None:
    targets = read_or_refuse(json.dumps(with_value(path, value)).encode())
    if isinstance(targets, Targets):
        assert len(targets.problems) <= 17
        assert all(field.isprintable() for field in targets.unknown_fields)


@law
@given(st.integers(min_value=0, max_value=len(json.dumps(FULL)) - 1), st.binary(max_size=4))
def test_a_file_that_was_cut_or_scribbled_on_is_read_or_refused(at: int, scribble: bytes) -> None:
    content = json.dumps(FULL).encode()
    assert isinstance(read_or_refuse(content[:at]), str)
    read_or_refuse(content[:at] + scribble + content[at + len(scribble) :])


@given(st.sampled_from(places(FULL)), st.sampled_from([50, 500, 900, 990, 5000, 90_000]))
@settings(law, max_examples=200)
def test_any_nesting_in_any_place_is_read_or_refused(path: Path, depth: int) -> None:
    content = json.dumps(with_value(path, "HERE")).encode().replace(b'"HERE"', b"[" * depth + b"]" * depth)
    read_or_refuse(content)
