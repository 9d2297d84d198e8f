"""Finding who dies first on a host made of files: what is measured for it, and what is not."""

import shutil
import time
from pathlib import Path

import pytest

from guard_host import FakeHost
from oompolicy_agent.guard.census import Census
from oompolicy_agent.guard.chooser import Choice, Chooser
from oompolicy_agent.guard.memcgs import CgroupFS
from oompolicy_agent.guard.sandboxes import Roles
from oompolicy_agent.guard.settings import Limits
from oompolicy_agent.guard.targets import ContainerTarget, HostTarget, PodTarget, Policy, Targets
from oompolicy_agent.model import DecidedBy

POLICY = Policy("mixed", "6f1c", 1, "Enforce", default_priority=500)
BACKUP = "/system.slice/backup.service"
SERVICE = HostTarget(BACKUP, -50)


class Node:
    """A chooser on a host with the pods `low` (two containers), `same` of the same priority, and `high`."""

    def __init__(self, folder: Path) -> None:
        self.host = FakeHost(folder)
        self.targets = self.told()
        sizes = {"low/low-a": 100, "low/low-b": 101, "same/same-a": 250, "high/high-a": 900}
        for number, (name, size) in enumerate(sizes.items()):
            self.host.memcg(f"/kubepods/pod{name}", current=size, pids=(1000 + number,))
        for pod in ("low", "same", "high"):
            self.host.memcg(f"/kubepods/pod{pod}")
        self.host.memcg(BACKUP, current=300, pids=(2000,))
        cgroups = CgroupFS(str(self.host.cgroups))
        proc = str(self.host.proc)
        census = Census(cgroups, Roles(str(self.host.root)), Limits(), "", proc)
        census.follow([BACKUP])
        self.chooser = Chooser(cgroups, census, proc)

    def told(self, *hosts: HostTarget, low: int = 10, protect: str | None = None) -> Targets:
        """What sync says."""
        pods = {}
        for name, priority in (("low", low), ("same", low), ("high", 900)):
            containers = {f"{name}-{one}": ContainerTarget(one, f"{name}-{one}") for one in "ab"}
            pods[name] = PodTarget(name, "shop", name, priority, containers=containers)
        if protect:
            request = 201 << 20
            pods["low"] = PodTarget("low", "shop", "low", None, protect, request_bytes=request, containers={})
            pods["low"].containers.update({f"low-{one}": ContainerTarget(one, f"low-{one}") for one in "ab"})
        return Targets(POLICY, pods, {one.path: one for one in hosts})

    def choose(self, domain: str = "/") -> Choice | None:
        """A decision."""
        return self.chooser.choose(self.targets, domain, with_swap=False, excluded=frozenset(), futile=frozenset())

    def victim(self, domain: str = "/") -> str | None:
        """The last name of who dies first."""
        choice = self.choose(domain)
        return choice.victim.path.rpartition("/")[2] if choice else None

    def empty(self, path: str) -> None:
        """Ends what runs in a container."""
        self.host.memcg(path, current=100)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of those whose usage was read."""
    paths: list[str] = []
    real = CgroupFS.usage

    def usage(self: CgroupFS, path: str, *, with_swap: bool) -> int | None:
        paths.append(path.rpartition("/")[2])
        return real(self, path, with_swap=with_swap)

    monkeypatch.setattr(CgroupFS, "usage", usage)
    return paths


def test_measures_only_the_class_that_dies_first(node: Node, measured: list[str]) -> None:
    assert node.victim() == "same-a"
    assert sorted(measured) == ["low-a", "low-b", "same-a"]


def test_measures_the_next_class_when_nobody_is_left_in_the_first(node: Node, measured: list[str]) -> None:
    for path in ("/kubepods/podlow/low-a", "/kubepods/podlow/low-b", "/kubepods/podsame/same-a"):
        node.empty(path)
    assert node.victim() == "high-a"
    assert measured == ["high-a"]


def test_the_explanation_names_those_who_were_not_measured(node: Node) -> None:
    choice = node.choose()
    assert choice
    assert [layer.spared for layer in choice.candidate.layers] == [(), ("/kubepods/podlow", "/kubepods/podhigh"), ()]
    assert choice.candidate.layers[1].decided_by is DecidedBy.TIE_BREAK
    assert choice.dies == choice.candidate.dies == ("/kubepods/podsame/same-a",)


def test_the_ranking_ends_where_nobody_was_measured(node: Node) -> None:
    choice = node.choose()
    assert choice
    assert [victim.path.rpartition("/")[2] for victim in choice.ranking] == ["same-a", "low-b", "low-a"]


@pytest.mark.parametrize(
    ("second", "expected"), [pytest.param(100, "same-a", id="up-to"), pytest.param(102, "low-b", id="beyond")]
)
def test_what_is_protected_up_to_its_request_is_judged_by_all_its_containers(
    node: Node, second: int, expected: str
) -> None:
    node.targets = node.told(low=500, protect="Request")
    node.host.memcg("/kubepods/podlow/low-b", current=second, pids=(1001,))
    node.host.memcg("/kubepods/podsame/same-a", current=50, pids=(1002,))
    assert node.victim() == expected


def test_whoever_may_not_be_killed_is_passed_over(node: Node) -> None:
    node.host.process(1002, oom_score_adj=-1000)
    assert node.victim() == "low-b"


def test_whoever_has_come_a_moment_ago_is_seen(node: Node) -> None:
    node.victim()
    node.host.memcg("/kubepods/podlow/low-late", current=900, pids=(1500,))
    node.host.bundle("low-late", "container")
    assert node.victim() == "low-late"


def test_a_memcg_that_is_gone_while_the_kernel_has_not_said_so_is_looked_for(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.victim()
    shutil.rmtree(node.host.cgroups / "kubepods/podsame/same-a")
    monkeypatch.setattr("oompolicy_agent.guard.tree_watch.TreeWatch.take", lambda _: set())
    assert node.victim() == "low-b"
    assert "/kubepods/podsame/same-a" not in [place.path for place in node.chooser.census.tree]


def test_a_service_of_the_host_dies_by_its_target(node: Node) -> None:
    node.targets = node.told(SERVICE)
    choice = node.choose()
    assert choice
    assert (choice.dies, choice.victim.usage_bytes >> 20) == ((BACKUP,), 300)
    assert node.victim("/kubepods") == "same-a"


def test_what_the_node_needs_is_passed_over_even_if_it_has_just_been_started(node: Node) -> None:
    node.targets = node.told(SERVICE)
    assert node.victim() == "backup.service"
    (node.host.proc / "2000/comm").write_text("containerd\n")
    assert node.victim() == "same-a"


def test_what_was_prepared_is_read_through_open_files(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.chooser.census.refresh(time.monotonic())
    node.chooser.prepare(node.targets, with_swap=False)
    monkeypatch.setattr("oompolicy_agent.guard.memcgs.read_kernel", lambda path: pytest.fail(f"{path} was opened"))
    assert node.victim() == "same-a"


def test_a_new_target_is_followed_at_once(node: Node) -> None:
    assert node.victim() == "same-a"
    node.chooser.prepare(node.targets, with_swap=False)
    node.targets = node.told(low=901)
    assert node.victim() == "high-a"
