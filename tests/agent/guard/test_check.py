"""What `oompolicy-guard check` prints, to whom, and its exit code."""

import argparse
import io
import json
import sys
from pathlib import Path

import pytest

from guard_host import FakeHost
from oompolicy_agent.guard import check

RED, GREEN, YELLOW, PLAIN = "\033[31m", "\033[32m", "\033[33m", "\033[0m"


class Terminal(io.StringIO):
    """An output that a person looks at."""

    def isatty(self) -> bool:
        """Says so."""
        return True


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    host = FakeHost(tmp_path)
    (host.proc / "sys/vm").mkdir()
    (host.proc / "sys/vm/panic_on_oom").write_text("1\n")
    (host.proc / "swaps").write_text("Filename Type Size Used Priority\n")
    return host


def run(host: FakeHost, *arguments: str) -> int:
    parser = argparse.ArgumentParser()
    check.add_arguments(parser)
    paths = ["--cgroup-root", str(host.cgroups), "--proc", str(host.proc), "--sys", str(host.root)]
    return check.run(parser.parse_args([*paths, *arguments]))


def lines(text: str) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in text.splitlines())


def test_prints_a_line_for_each_question_and_then_for_each_backend(
    host: FakeHost, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(host)
    out = capsys.readouterr().out
    found = lines(out)
    assert code == 0
    assert found["cgroup v2"] == "yes"
    assert found["vm.panic_on_oom is 0"].startswith("no: It is 1: ")
    assert found["cgroup.kill"].startswith("could not tell: ")
    assert list(found)[-3:] == ["KernelHook", "KernelAssist", "Userspace"]
    assert found["KernelHook"].startswith("no (NotBuiltIn): There is no ")
    assert found["Userspace"] == "yes"
    assert "\033" not in out


def test_says_why_no_backend_works_and_fails(host: FakeHost, capsys: pytest.CaptureFixture[str]) -> None:
    (host.proc / "pressure/memory").unlink()
    code = run(host)
    found = lines(capsys.readouterr().out)
    assert code == 1
    assert found["Userspace"].startswith("no (NoPSI): There is no pressure stall information; boot with psi=1")


@pytest.mark.parametrize("works", [True, False], ids=["works", "does-not"])
def test_tells_programs_the_same(host: FakeHost, works: bool, capsys: pytest.CaptureFixture[str]) -> None:
    if not works:
        (host.proc / "pressure/memory").unlink()
    code = run(host, "--output", "json")
    document = json.loads(capsys.readouterr().out)
    features = {one["feature"]: one for one in document["features"]}
    backends = {one["backend"]: one for one in document["backends"]}
    assert code == (0 if works else 1)
    assert features["PSI"]["answer"] == ("Yes" if works else "No")
    assert features["PanicOnOOM"]["answer"] == "No"
    assert features["CgroupKill"]["answer"] == "Unknown"
    assert "vm.panic_on_oom=0" in features["PanicOnOOM"]["message"]
    assert (backends["Userspace"]["works"], backends["Userspace"]["reason"]) == (works, None if works else "NoPSI")
    assert backends["KernelHook"]["reason"] == "NotBuiltIn"


def test_a_person_sees_colours_except_where_neither_answer_is_better(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = lines(on_terminal(host, monkeypatch))
    assert found["cgroup v2"] == f"{GREEN}yes{PLAIN}"
    assert found["vm.panic_on_oom is 0"].startswith(f"{RED}no{PLAIN}: ")
    assert found["cgroup.kill"].startswith(f"{YELLOW}could not tell{PLAIN}: ")
    assert found["KernelHook"].startswith(f"{RED}no{PLAIN} (NotBuiltIn): ")
    assert found["swap"].startswith("no: ")


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")], ids=["no-color", "dumb-terminal"])
def test_a_person_who_wants_no_colours_gets_none(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    assert "\033" not in on_terminal(host, monkeypatch, **{name: value})


def on_terminal(host: FakeHost, monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    run(host)
    return terminal.getvalue()
