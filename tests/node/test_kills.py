"""The whole path on a real node: one policy, the right container dies, and whoever asks is told why."""

import json
import os
from pathlib import Path

import pytest

from demo import story
from demo.installation import helm_test
from lab.control_plane import KubectlError
from operating.command_line import Command
from operating.installed import AGENTS, BACKEND, Installed

pytestmark = pytest.mark.node


def test_a_policy_becomes_ready_on_the_node(product: Installed) -> None:
    assert product.ending.node_status()["backend"] == BACKEND


def test_helm_test_finds_the_installation_working(product: Installed) -> None:
    helm_test(product.control_plane)


def test_batch_dies_first_then_hog_and_the_database_never(product: Installed) -> None:
    story.play(product.control_plane, product.ending)
    assert story.settled_faults(product.ending) == []


@pytest.fixture
def command(product: Installed, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """With kubectl on PATH, by which the guard is reached."""
    monkeypatch.setenv("PATH", str(product.control_plane.binaries), prepend=os.pathsep)
    return Command(product.control_plane, capsys)


def test_the_guard_says_who_would_die_now(product: Installed, command: Command) -> None:
    found = command.document("rank", product.node.name, "--limit=0")
    (database,) = (one for one in found["order"] if one["pod"] == "shop-db")
    assert (found["backend"], database["priority"], database["rule"]) == (BACKEND, 900, "databases")
    assert database["usageBytes"] > 250 << 20
    assert {"batch", "hog"}.isdisjoint(one["pod"] for one in found["order"]), "they have died"
    print(command.text("rank", product.node.name))


def test_a_kill_can_be_looked_at_with_what_was_left_before_and_after(
    product: Installed, command: Command, tmp_path: Path
) -> None:
    found = command.document("decisions", f"--node={product.node.name}")["decisions"]
    kill = next(one for one in found if one["outcome"] == "Killed" and one["victim"]["pod"] == "hog")
    offsets = [sample["offsetMilliseconds"] for sample in kill["samples"]]
    assert offsets == sorted(offsets)
    assert offsets[0] < 0 < offsets[-1]
    command.text("report", kill["name"], f"--html={tmp_path / 'kill.html'}")
    assert "shop/hog" in (tmp_path / "kill.html").read_text(encoding="utf-8")


def test_the_guard_has_no_service_account_token(product: Installed) -> None:
    (pod,) = json.loads(product.control_plane.kubectl("-n", AGENTS, "get", "pods", "-o", "json"))["items"]
    look = ("-n", AGENTS, "exec", pod["metadata"]["name"], "-c")
    there = ("--", "ls", "/var/run/secrets/kubernetes.io/serviceaccount")
    assert "token" in product.control_plane.kubectl(*look, "sync", *there)
    with pytest.raises(KubectlError, match="No such file"):
        product.control_plane.kubectl(*look, "guard", *there)
