"""The whole guard on a host made of files, with real processes to kill: what it does pass by pass."""

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from guard_node import SHORT, Node
from oompolicy_agent.guard import upkeep


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path, cooldownSeconds=0)
    yield node
    for process in node.processes.values():
        process.kill()
        process.wait()


def test_kills_nobody_while_there_is_memory(node: Node) -> None:
    node.tell()
    assert node.step() > 0.01
    assert not node.died("low")
    assert node.journal() == []


def test_kills_the_least_important_and_waits_until_its_memory_is_back(node: Node) -> None:
    node.tell()
    node.host.meminfo(available=SHORT)
    node.step()
    assert node.died("low")
    node.host.meminfo(available=SHORT + 300)
    node.step()
    node.step()
    assert not node.died("high")
    (record,) = node.journal()
    assert (record["outcome"], record["victim"]["pod"]) == ("Killed", "low")


def test_the_record_says_all_that_the_next_part_needs(node: Node) -> None:
    node.tell()
    node.host.meminfo(available=SHORT)
    node.step()
    assert node.died("low")
    node.step()
    record = node.journal()[-1]
    victim = record["victim"]
    assert record["domain"] == "/"
    assert record["policy"] == {"name": "mixed", "uid": "6f1c", "generation": 3}
    assert record["trigger"]["reason"] == "MarginExhausted"
    assert record["trigger"]["marginBytes"] == SHORT << 20
    assert (victim["namespace"], victim["pod"], victim["container"]) == ("shop", "low", "main")
    assert (victim["priority"], victim["unit"], victim["usageBytes"]) == (10, "Container", 300 << 20)
    assert [layer["parent"] for layer in record["layers"]] == ["/", "/kubepods", "/kubepods/podlow"]
    assert record["layers"][1]["decidedBy"] == "Priority"
    assert (record["tasksSignalled"], record["freedBytes"]) == (1, 300 << 20)
    assert record["milliseconds"]["signalToFreed"] >= record["milliseconds"]["signalToEmpty"] >= 0
    before, after = record["samples"]
    assert before["offsetMilliseconds"] <= 0 <= after["offsetMilliseconds"]
    assert before["marginBytes"] == SHORT << 20


def test_one_at_a_time_in_the_order_of_the_policy(node: Node) -> None:
    node.tell()
    node.host.meminfo(available=SHORT)
    node.step()
    node.step()
    assert not node.died("high"), "the first victim is still on its way out"
    assert node.died("low")
    node.step()
    assert not node.died("high"), "what was measured while the first was on its way says nothing"
    node.step()
    assert node.died("high")


def test_the_status_says_what_happened(node: Node) -> None:
    node.tell()
    node.step()
    before = node.status()
    assert (before["backend"], before["mode"], before["policy"]["name"], before["kills"]) == (
        "Userspace",
        "Enforce",
        "mixed",
        0,
    )
    assert (before["thresholdBytes"], before["targetsMapped"], before["unknownLeaves"]) == (200 << 20, 4, 0)
    node.host.meminfo(available=SHORT)
    node.step()
    assert node.died("low")
    node.step()
    after = node.status()
    assert (after["kills"], before["budgetLeft"] - after["budgetLeft"]) == (1, 1)
    assert after["lastDecision"]["victim"] == "shop/low/main"
    assert after["lastDecision"]["outcome"] == "Killed"


def test_a_policy_that_allows_only_another_backend_kills_nobody_and_says_why(node: Node) -> None:
    node.tell(backends=["KernelHook"])
    node.host.meminfo(available=SHORT)
    node.step()
    status = node.status()
    assert status["backend"] == "Off"
    reasons = {each["backend"]: each["reason"] for each in status["reasons"]}
    assert reasons == {"KernelHook": "NotLoaded", "KernelAssist": "NotAllowed", "Userspace": "NotAllowed"}
    assert all(process.poll() is None for process in node.processes.values())


def test_audit_touches_nobody_and_does_not_say_so_all_the_time(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.tell(mode="Audit")
    node.host.meminfo(available=10)
    for _ in range(5):
        node.step()
    (record,) = node.journal()
    assert (record["outcome"], record["victim"]["pod"], record["mode"]) == ("WouldKill", "low", "Audit")
    for pod, process in node.processes.items():
        assert not node.died(pod)
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("policy", "reason"),
    [pytest.param({"mode": "Off"}, "PolicyOff", id="off"), pytest.param(None, "NoPolicy", id="no-policy")],
)
def test_without_a_policy_that_acts_nobody_dies(node: Node, policy: dict[str, object] | None, reason: str) -> None:
    if policy:
        node.tell(**policy)
    node.host.meminfo(available=SHORT)
    node.step()
    assert not node.died("low")
    assert node.status()["backend"] == "Off"
    assert reason in {one["reason"] for one in node.status()["reasons"]}


def test_stays_up_and_kills_nobody_where_the_host_lacks_something(node: Node) -> None:
    (node.host.cgroups / "cgroup.controllers").write_text("cpu\n")
    node.tell()
    node.host.meminfo(available=SHORT)
    node.step()
    assert not node.died("low")
    assert "NoMemoryController" in {one["reason"] for one in node.status()["reasons"]}


def test_says_once_that_nothing_may_be_killed(node: Node, capfd: pytest.CaptureFixture[str]) -> None:
    """S26."""
    node.tell()
    for pod in ("low", "high"):
        node.host.memcg(f"/kubepods/pod{pod}/{pod}-main", current=300)
    node.host.meminfo(available=SHORT)
    for _ in range(3):
        node.parts.enforcer._rests_until = 0.0  # noqa: SLF001 - so that it looks again at once
        node.step()
    (record,) = node.journal()
    assert (record["outcome"], record["victim"]) == ("NothingEligible", None)
    assert capfd.readouterr().out.count("Nothing may be killed") == 1


def test_the_pods_own_limit_is_decided_among_the_pods(node: Node) -> None:
    """S29: the node has plenty."""
    node.tell()
    node.host.memcg("/kubepods", current=990, limit=1000)
    node.step()
    assert node.died("low")
    node.step()
    assert node.journal()[-1]["domain"] == "/kubepods"


def test_waits_for_the_cooldown_and_says_when_it_can_wait_no_longer(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """S16."""
    node = Node(tmp_path)
    node.tell()
    node.host.meminfo(available=60)
    node.step()
    assert node.died("low")
    for available in (60, 60, 900, 60, 900, 60):  # with swap a shortage comes and goes many times a second
        node.host.meminfo(available=available)
        node.step()
    assert not node.died("high")
    node.host.meminfo(available=49)
    node.step()
    assert node.died("high")
    said = capfd.readouterr().out
    assert said.count("Waiting although memory is short: the last kill is less than 5 s ago") == 1
    assert said.count("Acting although the last kill is less than 5 s ago") == 1


def test_a_victim_that_somebody_else_has_killed_is_waited_for(node: Node) -> None:
    node.tell()
    folder = node.host.memcg("/kubepods/podlow/low-main", current=300, pids=(node.processes["low"].pid,))
    (folder / "cgroup.procs").write_text("")
    node.host.meminfo(available=SHORT)
    for _ in range(3):
        node.step()
    assert not node.died("high")
    assert node.journal() == []


def test_a_guard_that_died_in_the_middle_is_followed_by_one_that_says_so(node: Node) -> None:
    node.tell()
    node.host.meminfo(available=SHORT)
    node.step()
    assert node.died("low")
    assert node.journal() == [], "its guard dies before the end"
    node.start_guard()
    (record,) = node.journal()
    assert (record["outcome"], record["victim"]["pod"]) == ("Interrupted", "low")
    node.step()
    assert node.status()["lastDecision"]["outcome"] == "Interrupted"


def test_a_victim_of_the_guard_before_is_waited_for_before_anybody_else_dies(node: Node) -> None:
    node.tell()
    node.host.meminfo(available=SHORT)
    node.step()
    assert node.processes["low"].wait(10) == -signal.SIGKILL
    node.host.memcg("/kubepods/podlow/low-main", current=300)  # empty, and its memory is not back yet
    (node.host.cgroups / "kubepods/podlow/low-main/cgroup.events").write_text("populated 1\n")
    node.start_guard()
    for _ in range(3):
        node.step()
    assert not node.died("high")
    node.host.memcg("/kubepods/podlow/low-main")
    node.step()
    node.step()
    assert node.died("high"), "the shortage is still there"


def test_what_the_kernel_kills_is_told_and_counted(node: Node) -> None:
    node.tell()
    node.step()
    node.host.memcg("/kubepods/podhigh", oom=(0, 1))
    node.host.vmstat(oom_kills=1)
    node.step()
    (record,) = node.journal()
    assert (record["outcome"], record["victim"]["pod"], record["trigger"]) == ("KernelKilled", "high", None)
    assert node.status()["kernelKills"] == 1


def test_an_error_in_one_pass_is_one_line_and_the_next_pass_comes(
    node: Node, capfd: pytest.CaptureFixture[str]
) -> None:
    node.tell()
    (node.host.proc / "meminfo").write_text("nonsense 1 kB\n")
    passes = iter([False, False, True])
    node.loop.run(lambda: next(passes))
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    failed = [line for line in lines if line["message"] == "A pass failed"]
    assert len(failed) == 2
    assert "MemTotal" in failed[0]["err"]
    assert "margin.py" in failed[0]["at"]


def test_a_rehearsal_kills_nobody(node: Node) -> None:
    node.tell()
    node.host.meminfo(available=1900)
    node.loop.warm_up()
    assert not node.died("low")
    assert node.journal() == []


def oom_score_adj(node: Node, pod: str) -> int:
    return int((node.host.proc / f"{node.processes[pod].pid}/oom_score_adj").read_text())


def test_the_kernels_own_choice_is_made_to_agree_and_put_back_when_the_policy_is_off(node: Node) -> None:
    node.tell()
    node.step()
    assert oom_score_adj(node, "low") == 1000
    assert oom_score_adj(node, "high") < 1000
    assert node.status()["adjustedProcesses"] == 2
    node.tell(mode="Off")
    node.step()
    assert [oom_score_adj(node, pod) for pod in ("low", "high")] == [0, 0]


def test_audit_touches_no_oom_score_adj(node: Node) -> None:
    node.tell(mode="Audit")
    node.step()
    assert [oom_score_adj(node, pod) for pod in ("low", "high")] == [0, 0]


def test_broken_glass_puts_everything_back_at_once(node: Node) -> None:
    node.tell()
    node.step()
    (node.host.state / "break-glass").touch()
    node.host.meminfo(available=SHORT)
    node.step()
    assert [oom_score_adj(node, pod) for pod in ("low", "high")] == [0, 0]
    assert not node.died("low")
    assert "BreakGlass" in {one["reason"] for one in node.status()["reasons"]}


def test_a_new_guard_under_a_policy_that_is_off_puts_back_what_the_one_before_adjusted(node: Node) -> None:
    node.tell()
    node.step()
    node.tell(mode="Off")
    node.start_guard()
    node.step()
    assert [oom_score_adj(node, pod) for pod in ("low", "high")] == [0, 0]


def test_an_order_that_changes_changes_what_is_adjusted(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "SHAPE_SOONEST_SECONDS", 0.0)
    node.tell()
    node.step()
    assert oom_score_adj(node, "low") == 1000
    node.priorities = (("low", 900), ("high", 10))
    node.tell()
    node.step()
    assert oom_score_adj(node, "high") == 1000
    assert oom_score_adj(node, "low") < 1000


def test_a_victim_whose_domain_loses_its_limit_is_still_seen_out(node: Node) -> None:
    """Else the guard waits for it for ever, and nobody dies for any shortage until the limit is back."""
    node.tell()
    node.host.memcg("/kubepods", current=990, limit=1000)
    node.step()
    assert node.died("low")
    node.host.memcg("/kubepods", current=690)
    node.host.meminfo(available=SHORT)
    node.step()
    node.step()
    assert node.died("high"), "the node is short, and the first victim has gone"
    assert [record["domain"] for record in node.journal()][:1] == ["/kubepods"]


def test_a_glance_between_passes_sees_when_memory_runs_short(node: Node) -> None:
    node.tell()
    node.step()
    node.settle()
    assert node.loop.step(has_news=False) > 0.01
    assert not node.died("low")
    node.host.meminfo(available=SHORT)
    node.loop.step(has_news=False)
    assert node.died("low")


def test_a_glance_sees_when_the_pods_own_limit_comes_near(node: Node) -> None:
    node.tell()
    node.host.memcg("/kubepods", current=500, limit=1000)
    node.step()
    node.settle()
    node.loop.step(has_news=False)
    assert not node.died("low")
    node.host.memcg("/kubepods", current=990, limit=1000)
    node.loop.step(has_news=False)
    assert node.died("low")


@pytest.mark.parametrize(
    "limit", [pytest.param(None, id="there-was-none"), pytest.param(1900, id="there-was-a-larger")]
)
def test_a_glance_sees_a_new_limit_of_the_pods(node: Node, limit: int | None) -> None:
    node.tell()
    node.host.meminfo(available=1500)
    node.host.memcg("/kubepods", current=600, limit=limit)
    node.step()
    node.host.memcg("/kubepods", current=600, limit=640)
    node.loop.step(has_news=False)
    assert node.died("low")


def test_a_container_under_a_new_id_has_its_own_priority_before_the_api_server_knows(node: Node) -> None:
    """Its bundle says its name, the pod's targets what that name means: it goes before its larger neighbour."""
    exporter = subprocess.Popen(["sleep", "infinity"])
    node.host.memcg("/kubepods/podlow/restarted", current=10, pids=(exporter.pid,))
    node.host.bundle("restarted", "container", "exporter")
    containers = [{"name": "main", "id": "low-main"}, {"name": "exporter", "id": "gone", "priority": 1}]
    low = {"uid": "low", "namespace": "shop", "name": "low", "priority": 10, "containers": containers}
    node.others = {"pods": [low]}
    node.tell()
    node.host.meminfo(available=SHORT)
    node.step()
    assert exporter.wait(10) == -signal.SIGKILL
    assert not node.died("low")
