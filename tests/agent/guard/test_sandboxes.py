"""The runtime says which container is a sandbox."""

import json
from pathlib import Path

import pytest

from guard_host import FakeHost
from oompolicy_agent.guard.sandboxes import Roles

CRIO = "run/containers/storage/overlay-containers/{}/userdata/config.json"
K3S = "run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io/{}/config.json"


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return FakeHost(tmp_path)


@pytest.fixture
def roles(host: FakeHost) -> Roles:
    return Roles(str(host.root))


def role(roles: Roles, container: str, now: float = 0.0) -> str | None:
    """What is known of a container after asking."""
    roles.learn([container], now)
    return roles.of(container)


def write(host: FakeHost, bundle: str, content: str) -> None:
    path = host.root / bundle
    path.parent.mkdir(parents=True)
    path.write_text(content)


@pytest.mark.parametrize("said", ["container", "sandbox"])
def test_reads_containerds_annotation(host: FakeHost, roles: Roles, said: str) -> None:
    host.bundle("3c41", said)
    assert role(roles, "3c41") == said


@pytest.mark.parametrize(
    ("bundle", "annotation"),
    [
        pytest.param(CRIO, "io.kubernetes.cri-o.ContainerType", id="cri-o"),
        pytest.param(K3S, "io.kubernetes.cri.container-type", id="k3s"),
    ],
)
def test_reads_other_runtimes_annotations(host: FakeHost, roles: Roles, bundle: str, annotation: str) -> None:
    write(host, bundle.format("3c41"), json.dumps({"annotations": {annotation: "sandbox"}}))
    assert role(roles, "3c41") == "sandbox"


@pytest.mark.parametrize(
    ("bundle", "annotation"),
    [
        pytest.param(CRIO, "io.kubernetes.container.name", id="cri-o"),
        pytest.param(K3S, "io.kubernetes.cri.container-name", id="k3s"),
    ],
)
def test_a_container_has_the_name_that_its_runtime_wrote(
    host: FakeHost, roles: Roles, bundle: str, annotation: str
) -> None:
    said = {"io.kubernetes.cri.container-type": "container", annotation: "exporter"}
    write(host, bundle.format("3c41"), json.dumps({"annotations": said}))
    roles.learn(["3c41"], 0.0)
    assert roles.names == {"3c41": "exporter"}


def test_a_sandbox_has_none(host: FakeHost, roles: Roles) -> None:
    host.bundle("3c41", "sandbox")
    roles.learn(["3c41"], 0.0)
    assert roles.names == {}


def test_nobody_has_said(roles: Roles) -> None:
    assert role(roles, "3c41") is None


def test_asks_again_until_somebody_has_said(host: FakeHost, roles: Roles) -> None:
    assert role(roles, "3c41") is None
    assert not roles.are_all_known
    host.bundle("3c41", "container")
    assert role(roles, "3c41") == "container"
    assert roles.are_all_known


@pytest.mark.parametrize(
    ("asked", "then", "expected"),
    [
        pytest.param([0.0, 0.0], 0.1, "container", id="at-first-at-every-call"),
        pytest.param([0.0, 10.0], 19.9, None, id="then-ever-more-rarely"),
        pytest.param([0.0, 10.0], 20.0, "container", id="each-waits-as-long-as-all-before-it"),
        pytest.param([0.0, 500.0], 560.0, "container", id="but-at-most-a-minute"),
    ],
)
def test_does_not_ask_all_the_time_for_ever(
    host: FakeHost, roles: Roles, asked: list[float], then: float, expected: str | None
) -> None:
    assert [role(roles, "3c41", now) for now in asked] == [None, None]
    host.bundle("3c41", "container")
    assert role(roles, "3c41", then) == expected


def test_remembers_until_the_container_is_gone(host: FakeHost, roles: Roles) -> None:
    host.bundle("3c41", "container")
    assert roles.learn(["3c41"], 0.0)
    for path in sorted(host.root.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    assert not roles.learn(["3c41"], 0.0)
    assert roles.of("3c41") == "container"
    assert roles.learn([], 0.0)
    assert roles.of("3c41") is None


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("{", id="cut-short"),
        pytest.param("[]", id="a-list"),
        pytest.param("{}", id="no-annotations"),
        pytest.param('{"annotations": null}', id="annotations-null"),
        pytest.param('{"annotations": {"io.kubernetes.cri.container-type": ["sandbox"]}}', id="a-list-in-it"),
        pytest.param('{"annotations": {"io.kubernetes.cri.container-type": "other"}}', id="another-word"),
        pytest.param("[" * 100_000, id="nested-too-deeply"),
    ],
)
def test_a_bundle_that_does_not_say_is_no_answer(host: FakeHost, roles: Roles, content: str) -> None:
    write(host, CRIO.format("3c41"), content)
    assert role(roles, "3c41") is None
