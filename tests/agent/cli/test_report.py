"""One decision as a page: whole, for itself, and safe whatever a tenant has called his pods."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from oompolicy_agent.cli.__main__ import main
from oompolicy_agent.cli.icicle import icicle
from oompolicy_agent.cli.page import page
from oompolicy_api.decision import OOMDecision

EVIL = '<script>alert("x")</script>'


def victim(path: str, priority: int, usage: int, pod: str = "p") -> dict[str, Any]:
    return {"path": path, "namespace": "shop", "pod": pod, "priority": priority, "usageBytes": usage, "rule": "batch"}


LOW, HIGH = victim("/kubepods/a/main", 1, 300 << 20, "low"), victim("/kubepods/b/main", 9, 100 << 20, "high")
SPEC = {
    "id": "1",
    "node": "n",
    "time": "2026-11-28T10:00:00Z",
    "domain": "/",
    "mode": "Enforce",
    "outcome": "Killed",
    "why": "priority 1 is lower than 9",
    "victim": LOW,
    "ranking": [LOW, HIGH],
    "layers": [
        {"parent": "/", "chosen": "/kubepods", "spared": [], "decidedBy": "OnlyChild"},
        {"parent": "/kubepods", "chosen": "/kubepods/a", "spared": ["/kubepods/b", "/kubepods/c"], "spared_count": 9,
         "decidedBy": "Priority"},
    ],
    "trigger": {"reason": "MarginExhausted", "marginBytes": 50 << 20, "thresholdBytes": 200 << 20},
    "shortageToSignalMilliseconds": 20,
    "signalToFreedMilliseconds": 60,
}  # fmt: skip


def decision(**changes: Any) -> OOMDecision:  # noqa: ANN401 - fields of the spec
    return OOMDecision.model_validate({"metadata": {"name": "n.1"}, "spec": SPEC | changes})


class Balance(HTMLParser):
    """Whether every element that is opened is closed, in order."""

    VOID = ("meta",)

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Opens one."""
        self.links += [value or "" for name, value in attrs if name in {"src", "href"}]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, _tag: str, _attrs: list[tuple[str, str | None]]) -> None:
        """Is whole by itself."""

    def handle_endtag(self, tag: str) -> None:
        """Closes the last one."""
        assert self.open.pop() == tag


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(decision(), id="all"),
        pytest.param(
            decision(victim=None, ranking=[], layers=[], trigger=None, outcome="NothingEligible"), id="nobody"
        ),
        pytest.param(decision(shortageToSignalMilliseconds=None, signalToFreedMilliseconds=None), id="not-measured"),
    ],
)
def test_the_page_is_whole_and_needs_nothing_else(found: OOMDecision) -> None:
    parser = Balance()
    parser.feed(page(found))
    assert parser.open == []
    assert set(parser.links) <= {"#order"}


def test_a_box_is_as_wide_as_what_is_known_to_be_in_it() -> None:
    boxes = re.findall(r'class="box (\w*)" x="([\d.]+)" y="82" width="([\d.]+)"', icicle(decision().spec))
    (chosen, _, widest), (plain, _, smaller), (unknown, _, narrow) = boxes
    assert (chosen, plain, unknown) == ("chosen", "", "unknown")
    assert float(widest) == pytest.approx(3 * float(smaller), rel=0.01)
    assert 0 < float(narrow) < float(smaller)


def test_names_of_tenants_are_text_and_nothing_else() -> None:
    evil = decision(
        victim=victim(f"/kubepods/{EVIL}", 1, 1, EVIL),
        why=EVIL,
        layers=[{"parent": EVIL, "chosen": f"/{EVIL}", "spared": [f"/{EVIL}x"], "decidedBy": EVIL}],
        ranking=[victim(f"/{EVIL}", 1, 1 << 20, EVIL)],
    )
    assert "<script" not in page(evil)


def test_it_is_written_into_a_file_or_to_standard_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records, target = tmp_path / "records.json", tmp_path / "report.html"
    body = {"apiVersion": "oompolicy.dev/v1alpha1", "kind": "OOMDecision", "metadata": {"name": "n.1"}, "spec": SPEC}
    records.write_text(json.dumps(body))
    assert main(["report", "n.1", "--against", str(records), "--html", str(target)]) == 0
    assert main(["report", "n.1", "--against", str(records), "--html", "-"]) == 0
    assert capsys.readouterr().out == f"{target.read_text()}\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["records.json", "report.html"]


@pytest.mark.parametrize(
    ("name", "target", "says"),
    [
        pytest.param("other", "x.html", "expected an OOMDecision other in ", id="no-such-decision"),
        pytest.param("n.1", "missing/x.html", "No such file or directory", id="no-such-folder"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    name: str, target: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = tmp_path / "records.json"
    body = {"apiVersion": "oompolicy.dev/v1alpha1", "kind": "OOMDecision", "metadata": {"name": "n.1"}, "spec": SPEC}
    records.write_text(json.dumps(body))
    assert main(["report", name, "--against", str(records), "--html", str(tmp_path / target)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line
