"""One decision as a page: whole, for itself, and safe whatever a tenant has called his pods."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from oompolicy_agent.cli.__main__ import main
from oompolicy_agent.cli.headline import story, title
from oompolicy_agent.cli.icicle import icicle
from oompolicy_agent.cli.markup import named, names
from oompolicy_agent.cli.page import page
from oompolicy_api.decision import DecidedVictim, OOMDecision

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
        {"parent": "/kubepods", "chosen": "/kubepods/a", "spared": ["/kubepods/b", "/kubepods/c"], "sparedCount": 9,
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
    assert {link[:1] for link in parser.links} <= {"#"}


def test_a_box_is_as_wide_as_what_is_known_to_be_in_it() -> None:
    boxes = re.findall(r'<li class="([a-z ]*)" style="--usage:(\d+)[^"]*"><a href="([^"]+)">', icicle(decision().spec))
    assert boxes == [
        ("chosen", str(400 << 10), "#order-1"),
        ("chosen", str(400 << 10), "#order-1"),
        ("chosen", str(300 << 10), "#order-1"),
        ("chosen", str(300 << 10), "#order-1"),
        ("", str(100 << 10), "#order-2"),
        ("", str(100 << 10), "#order-2"),
        ("unknown plain", "1", "#tree"),
        ("unknown unnamed", "1", "#tree"),
    ]
    assert "7 more were spared" in icicle(decision().spec)


def test_who_is_outside_the_domain_is_drawn_beside_it() -> None:
    picture = icicle(decision(domain="/kubepods", victim=victim("/system.slice/x", 1, 1), layers=[]).spec)
    assert re.findall("<b>(.*?)</b>.*?, (/.*?)</span>", picture)[:3] == [
        ("the node", "/"),
        ("system.slice", "/system.slice"),
        ("x", "/system.slice/x"),
    ]


UID = "1b671a64-40d5-491e-99b0-da01ff1f3341"


@pytest.mark.parametrize(
    ("pod", "container"),
    [
        pytest.param(f"/kubepods/besteffort/pod{UID}", "3f", id="cgroupfs"),
        pytest.param(
            f"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{UID.replace('-', '_')}.slice",
            "cri-containerd-3f.scope",
            id="systemd",
        ),
    ],
)
def test_memcgs_of_pods_are_called_by_the_names_of_what_runs_in_them(pod: str, container: str) -> None:
    one = victim(f"{pod}/{container}", 1, 1, "low") | {"podUID": UID, "container": "main"}
    known = names([DecidedVictim.model_validate(one)])
    assert named(f"before {pod}/{container}, because", known) == "before shop/low/main, because"
    assert named(f"{pod}: before {pod}/other", known) == "shop/low: before shop/low/other"
    assert named("/kubepods: nothing", known) == "/kubepods: nothing"


@pytest.mark.parametrize(
    ("changes", "heading", "says"),
    [
        pytest.param({"freedBytes": 1 << 20}, "Killed shop/low on n", "1.0 MiB came back.", id="killed"),
        pytest.param({"outcome": "WouldKill"}, "Would have killed shop/low on n", "Nothing was touched", id="audit"),
        pytest.param(
            {"outcome": "NothingEligible", "victim": None},
            "Nobody could be killed on n",
            "left to the kernel",
            id="nobody",
        ),
        pytest.param(
            {"outcome": "KernelKilled", "trigger": None, "agreed": False},
            "The kernel killed shop/low on n",
            "The node ran out of memory. The policy would have chosen another.",
            id="kernel",
        ),
        pytest.param({"outcome": "New{x}"}, "New{x}: shop/low on n", "50.0 MiB were left", id="an-outcome-of-tomorrow"),
        pytest.param(
            {"trigger": {"reason": "Own{y}"}},
            "Killed shop/low on n",
            "ran out of memory: Own{y}.",
            id="a-trigger-of-tomorrow",
        ),
        pytest.param(
            {"trigger": {"reason": "Stalled"}}, "Killed shop/low on n", "an unknown amount were left", id="not-measured"
        ),
    ],
)
def test_the_heading_says_what_happened_and_the_story_how(changes: dict[str, Any], heading: str, says: str) -> None:
    spec = decision(**changes).spec
    assert title(spec) == heading
    assert says in story(spec)


def test_what_cannot_be_seen_is_shown() -> None:
    assert "low\\u202e" in page(decision(victim=victim("/a", 1, 1, "low\u202e")))


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
