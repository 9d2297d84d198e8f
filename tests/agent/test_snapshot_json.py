"""A recorded tree is read exactly, and a wrong one is refused by the name of its field."""

import json
from typing import Any

import pytest
from hypothesis import given, settings

from oompolicy_agent.model import Memcg, Snapshot, TieBreak
from oompolicy_agent.snapshot_json import SnapshotError, parse, snapshot_document
from random_trees import snapshots


def document(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value may stand there
    return {"domain": "/", "defaultPriority": 0, "tieBreak": "LargestUsage", "cgroups": []} | changes


def with_cgroups(*cgroups: object) -> dict[str, Any]:
    return document(cgroups=list(cgroups))


def with_cgroup(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value may stand there
    return with_cgroups({"path": "/first", "id": 1}, {"path": "/a", "id": 41} | fields)


def read(value: object) -> Snapshot:
    return parse(json.dumps(value).encode())


def test_every_field_is_read() -> None:
    text = """{"domain": "/k", "defaultPriority": -3, "tieBreak": "MostOverRequest", "cgroups": [
      {"path": "/k/c", "id": 41, "priority": 5, "usageBytes": 100, "requestBytes": 7, "protected": true,
       "killable": false, "unit": true, "known": true}]}"""
    memcg = Memcg("/k/c", 41, 5, 100, 7, protected=True, killable=False, unit=True, known=True)
    assert parse(text.encode()) == Snapshot("/k", (memcg,), -3, TieBreak.MOST_OVER_REQUEST)


def test_absent_fields_have_their_defaults() -> None:
    snapshot = read({"domain": "/", "cgroups": [{"path": "/c", "id": 1, "priority": None}]})
    memcg = Memcg("/c", 1, None, usage_bytes=0, request_bytes=0, protected=False, killable=True, unit=False, known=True)
    assert snapshot == Snapshot("/", (memcg,), 0, TieBreak.LARGEST_USAGE)


@settings(derandomize=True, database=None, deadline=None, max_examples=200)
@given(snapshots())
def test_what_is_written_is_read_back(snapshot: Snapshot) -> None:
    assert read(snapshot_document(snapshot)) == snapshot


@pytest.mark.parametrize(
    ("domain", "known"),
    [
        pytest.param("/", True, id="root"),
        pytest.param("/k", True, id="unlisted-ancestor"),
        pytest.param("/k/p", True, id="listed"),
        pytest.param("/k/p/c/d", False, id="below-a-leaf"),
        pytest.param("/k/", False, id="slash-at-its-end"),
        pytest.param("/kub", False, id="part-of-a-name"),
        pytest.param("/other", False, id="elsewhere"),
    ],
)
def test_a_domain_is_known_if_something_in_the_snapshot_is_in_it(domain: str, known: bool) -> None:
    recorded = with_cgroups({"path": "/kubepods", "id": 1}, {"path": "/k/p", "id": 2}, {"path": "/k/p/c", "id": 3})
    if known:
        assert read(recorded | {"domain": domain}).domain == domain
        return
    with pytest.raises(SnapshotError, match=r"^domain: expected"):
        read(recorded | {"domain": domain})


@pytest.mark.parametrize(
    ("recorded", "message"),
    [
        pytest.param([], "snapshot: expected an object, found a list", id="list"),
        pytest.param({"domain": "/"}, "cgroups: expected it to be given", id="no-cgroups"),
        pytest.param({"cgroups": []}, "domain: expected it to be given", id="no-domain"),
        pytest.param(document(domain=5), "domain: expected a path", id="domain-no-text"),
        pytest.param(
            document(domain="kubepods"), 'domain: expected an absolute path .* found "kubepods"', id="relative"
        ),
        pytest.param(document(domain=""), "domain: expected an absolute path", id="domain-empty"),
        pytest.param(
            document(tieBreak="Oldest"), 'tieBreak: expected one of LargestUsage, .* found "Old', id="tie-break"
        ),
        pytest.param(document(tieBreak=["Newest"]), "tieBreak: expected one of", id="tie-break-list"),
        pytest.param(
            document(defaultPriority=1 << 31), "defaultPriority: expected a 32-bit integer", id="default-int33"
        ),
        pytest.param(document(defaultPriority=None), "defaultPriority: .* found null", id="default-null"),
        pytest.param(document(default=1), '"default": unknown field', id="unknown-field"),
        pytest.param(document(cgroups={}), "cgroups: expected a list, found an object", id="cgroups-object"),
        pytest.param(with_cgroups(7), r"cgroups\[0\]: expected an object, found 7", id="cgroup-number"),
        pytest.param(with_cgroups({"id": 1}), r"cgroups\[0\].path: expected it to be given", id="no-path"),
        pytest.param(with_cgroups({"path": "/a"}), r"cgroups\[0\].id: expected it to be given", id="no-id"),
        pytest.param(with_cgroup(id=0), r"cgroups\[1\].id: expected a positive integer, found 0", id="id-zero"),
        pytest.param(with_cgroup(id=-4), r"cgroups\[1\].id: .* found -4", id="id-negative"),
        pytest.param(with_cgroup(id=None), r"cgroups\[1\].id: .* found null", id="id-null"),
        pytest.param(with_cgroup(id=True), r"cgroups\[1\].id: .* found true", id="id-true"),
        pytest.param(with_cgroup(id="41"), r"cgroups\[1\].id: .* found \"41\"", id="id-text"),
        pytest.param(with_cgroup(id=1 << 64), r"cgroups\[1\].id: expected a positive", id="id-over-64-bits"),
        pytest.param(with_cgroup(id=1), r"cgroups\[1\].id: .* found 1 in cgroups\[0\] too", id="id-twice"),
        pytest.param(with_cgroup(path="/first"), r"cgroups\[1\].path: .* in cgroups\[0\] too", id="path-twice"),
        pytest.param(with_cgroup(path="a"), r"cgroups\[1\].path: expected an absolute", id="path-relative"),
        pytest.param(with_cgroup(path="/a/"), r"cgroups\[1\].path: expected an absolute", id="path-slash-at-its-end"),
        pytest.param(with_cgroup(path="//a"), r"cgroups\[1\].path: expected an absolute", id="path-two-slashes"),
        pytest.param(with_cgroup(path="//"), r"cgroups\[1\].path: expected an absolute", id="path-only-slashes"),
        pytest.param(with_cgroup(path="/a/../b"), r"cgroups\[1\].path: expected an absolute", id="path-up"),
        pytest.param(with_cgroup(path="/./b"), r"cgroups\[1\].path: expected an absolute", id="path-dot"),
        pytest.param(with_cgroup(path="/a\nb"), r"cgroups\[1\].path: expected an absolute", id="path-two-lines"),
        pytest.param(with_cgroup(path="/a" * 9000), r"cgroups\[1\].path: expected a path of at most", id="path-long"),
        pytest.param(with_cgroup(priority=1 << 31), r"cgroups\[1\].priority: expected a 32-bit", id="priority-int33"),
        pytest.param(with_cgroup(priority=-(1 << 31) - 1), r"cgroups\[1\].priority: expected", id="priority-low"),
        pytest.param(with_cgroup(priority=1.0), r"cgroups\[1\].priority: .* found 1.0", id="priority-float"),
        pytest.param(with_cgroup(priority=False), r"cgroups\[1\].priority: .* found false", id="priority-false"),
        pytest.param(with_cgroup(usageBytes=-1), r"cgroups\[1\].usageBytes: .* found -1", id="usage-negative"),
        pytest.param(with_cgroup(usageBytes=float("nan")), r"cgroups\[1\].usageBytes: .* found NaN", id="usage-nan"),
        pytest.param(with_cgroup(requestBytes="1Gi"), r'cgroups\[1\].requestBytes: .* found "1Gi"', id="request-text"),
        pytest.param(with_cgroup(protected=1), r"cgroups\[1\].protected: expected true or false, found 1", id="flag-1"),
        pytest.param(with_cgroup(killable="no"), r"cgroups\[1\].killable: expected true or false", id="killable-text"),
        pytest.param(with_cgroup(unit=None), r"cgroups\[1\].unit: expected true or false, found null", id="unit-null"),
        pytest.param(with_cgroup(known=0), r"cgroups\[1\].known: expected true or false, found 0", id="known-0"),
        pytest.param(
            with_cgroup(known=False, priority=0), r"cgroups\[1\].known: expected true where a priority", id="unknown-5"
        ),
        pytest.param(with_cgroup(usage=1), r'cgroups\[1\]."usage": unknown field; expected', id="cgroup-field"),
    ],
)
def test_a_wrong_snapshot_is_refused_by_the_name_of_its_field(recorded: object, message: str) -> None:
    with pytest.raises(SnapshotError, match=f"^{message}") as refusal:
        read(recorded)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(b"", "snapshot: expected JSON, found something malformed", id="empty"),
        pytest.param(b'{"domain": "/",\n "cgroups": [', "snapshot: expected JSON, .* line 2", id="cut-off"),
        pytest.param(b'{"domain": "/\xff"}', "snapshot: expected JSON, .*utf-8", id="not-utf-8"),
        pytest.param(b"[" * 200_000, "snapshot: expected JSON, found it nested too deeply", id="lists-in-lists"),
        pytest.param(
            b'{"a":' * 200_000, "snapshot: expected JSON, found it nested too deeply", id="objects-in-objects"
        ),
        pytest.param(b'{"domain": "/", "domain": "/k"}', '"domain": expected once', id="field-twice"),
        pytest.param(
            b'{"domain": "/", "cgroups": [{"path": "/a", "id": %s}]}' % (b"9" * 6000),
            r"cgroups\[0\].id: expected a positive integer, found 9+$",
            id="number-of-6000-digits",
        ),
        pytest.param(
            b'{"domain": "/", "cgroups": [{"path": "/a", "id": 1e400}]}',
            r"cgroups\[0\].id: expected a positive integer, found Infinity$",
            id="number-beyond-floats",
        ),
    ],
)
def test_what_is_no_proper_json_is_refused(text: bytes, message: str) -> None:
    with pytest.raises(SnapshotError, match=f"^{message}") as refusal:
        parse(text)
    assert "\n" not in str(refusal.value)


def test_a_tree_too_large_for_memory_is_refused() -> None:
    cgroups = [{"path": f"/{number}" + "/a" * 8000, "id": number} for number in range(1, 140)]
    with pytest.raises(SnapshotError, match=r"^cgroups: expected at most 1048576 names"):
        read(with_cgroups(*cgroups))
