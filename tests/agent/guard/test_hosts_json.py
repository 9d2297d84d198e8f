"""A memcg of the host may have a priority; what keeps the node alive may not."""

from typing import Any

import pytest

from oompolicy_agent.guard.fields import FieldError
from oompolicy_agent.guard.findings import Findings
from oompolicy_agent.guard.hosts_json import host_path, read_hosts
from oompolicy_agent.guard.targets import HostTarget


def refusal(*hosts: Any) -> FieldError:  # noqa: ANN401 - any JSON
    with pytest.raises(FieldError, match=r"expected .*, found") as refused:
        read_hosts(list(hosts), Findings())
    return refused.value


def test_reads_them_by_path() -> None:
    hosts = [
        {"path": "/system.slice/backup.service", "priority": -50, "requestBytes": 4096},
        {"path": "/system.slice/backup.service/critical", "protect": "Always"},
    ]
    assert read_hosts(hosts, Findings()) == {
        "/system.slice/backup.service": HostTarget("/system.slice/backup.service", -50, None, 4096),
        "/system.slice/backup.service/critical": HostTarget("/system.slice/backup.service/critical", None, "Always"),
    }


@pytest.mark.parametrize("found", [None, []], ids=["absent", "empty"])
def test_none_are_fine(found: object) -> None:
    assert read_hosts(found, Findings()) == {}


@pytest.mark.parametrize(
    "path",
    [
        "/system.slice/backup.service",
        "/user.slice/user-1000.slice",
        "/machine.slice/libvirt-qemu.scope",
        "/batch.slice",
        "/batch",
        "/system.slice/dev-disk-by\\x2dlabel.swap",
        "/system.slice/kubelet-exporter.service",
        "/system.slice/containerd-cleanup.service",
        "/docker/3c41",
    ],
)
def test_takes_leaves_services_and_slices_of_ones_own(path: str) -> None:
    assert host_path("path", path) == path


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("", id="empty"),
        pytest.param("/", id="the-root"),
        pytest.param("system.slice/a.service", id="relative"),
        pytest.param("//a", id="two-slashes-in-front"),
        pytest.param("/a//b", id="two-slashes"),
        pytest.param("/a/", id="slash-at-the-end"),
        pytest.param("/a/./b", id="a-dot"),
        pytest.param("/a/../kubepods", id="climbs"),
        pytest.param("/a\nb", id="a-newline"),
        pytest.param("/a\ud800", id="half-a-character"),
        pytest.param("/" + "a" * 4096, id="too-long"),
        pytest.param(None, id="none"),
        pytest.param(["/a"], id="a-list"),
    ],
)
def test_refuses_what_is_no_path_of_a_memcg(path: object) -> None:
    assert refusal({"path": path, "priority": 1}).field == "hostCgroups[0].path"


@pytest.mark.parametrize(
    "path",
    [
        "/system.slice",
        "/user.slice",
        "/machine.slice",
        "/init.scope",
        "/runtime.slice",
        "/podruntime",
        "/podruntime/kubelet",
        "/system",
        "/kubepods",
        "/kubepods.slice",
        "/kubepods/burstable/pod1",
        "/kubepods.slice/kubepods-besteffort.slice",
        "/kubelet",
        "/kubelet/kubepods/pod1",
        "/kubelet.slice/kubelet-kubepods.slice",
        "/my/kubepods/pod1",
        "/system.slice/kubelet.service",
        "/system.slice/kubelet.service/child",
        "/system.slice/containerd.service",
        "/runtime.slice/containerd.service",
        "/system.slice/crio.service",
        "/system.slice/docker.service",
        "/system.slice/k3s-agent.service",
        "/system.slice/rke2-server.service",
        "/system.slice/snap.microk8s.daemon-kubelite.service",
    ],
)
def test_refuses_what_keeps_the_node_alive_and_says_why(path: str) -> None:
    error = refusal({"path": path, "priority": 1})
    assert error.field == "hostCgroups[0].path"
    assert path in str(error)
    assert "; " in str(error)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        pytest.param({"priority": None}, "hostCgroups[0]", id="neither-priority-nor-protect"),
        pytest.param({"protect": "Always"}, "hostCgroups[0]", id="both"),
        pytest.param({"priority": 2**31}, "hostCgroups[0].priority", id="priority-beyond-int32"),
        pytest.param({"requestBytes": -1}, "hostCgroups[0].requestBytes", id="negative-request"),
    ],
)
def test_refuses_and_names_the_field(changes: dict[str, object], field: str) -> None:
    assert refusal({"path": "/a", "priority": 1} | changes).field == field


def test_refuses_a_path_that_is_there_twice() -> None:
    assert refusal({"path": "/a", "priority": 1}, {"path": "/a", "priority": 2}).field == "hostCgroups[1].path"


def test_refuses_too_many() -> None:
    assert refusal(*({"path": f"/a/{number}", "priority": 1} for number in range(257))).field == "hostCgroups"


@pytest.mark.parametrize("protect", ["Request", "SomethingNew"])
def test_a_protection_it_does_not_know_protects_and_is_reported(protect: str) -> None:
    findings = Findings()
    assert read_hosts([{"path": "/a", "protect": protect}], findings) == {"/a": HostTarget("/a", None, "Always")}
    (problem,) = findings.problems
    assert "/a" in problem
    assert protect in problem


def test_names_a_field_it_does_not_know() -> None:
    findings = Findings()
    read_hosts([{"path": "/a", "priority": 1, "future": 1}], findings)
    assert findings.unknown_fields == ("hostCgroups[].future",)
