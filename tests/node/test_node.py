"""The node that the tests here stand on is a real one: pods run, the API server reaches it, services may die."""

import hashlib
import io
import json
import signal
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from lab.control_plane import ControlPlane, KubectlError
from lab.images import WORKLOAD
from lab.node import Node

pytestmark = pytest.mark.node

TALK_TO_THE_API_SERVER = """
    import os, pathlib, ssl, time, urllib.request
    folder = pathlib.Path("/var/run/secrets/kubernetes.io/serviceaccount")
    url = f"https://{os.environ['KUBERNETES_SERVICE_HOST']}:{os.environ['KUBERNETES_SERVICE_PORT']}/version"
    request = urllib.request.Request(url, headers={"Authorization": "Bearer " + (folder / "token").read_text()})
    print(urllib.request.urlopen(request, context=ssl.create_default_context(cafile=folder / "ca.crt")).read().decode())
    time.sleep(100000)
"""


@pytest.fixture(scope="module")
def pod(control_plane: ControlPlane, node: Node) -> Iterator[str]:
    """The name of a pod that runs; Guaranteed, so that its cgroup is right below kubepods."""
    container = {
        "name": "main",
        "image": WORKLOAD,
        "imagePullPolicy": "Never",
        "command": ["python3", "-u", "-c", dedent(TALK_TO_THE_API_SERVER)],
        "resources": {"limits": {"cpu": "1", "memory": "64Mi"}},
    }
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0, "nodeName": node.name}
    control_plane.apply(json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "talker"}, "spec": spec}))
    control_plane.kubectl("wait", "--for=condition=Ready", "pod/talker", "--timeout=120s")
    yield "talker"
    control_plane.kubectl("delete", "pod", "talker", "--timeout=60s")


VERIFY_KUBELET = """
    import socket, ssl, sys
    context = ssl.create_default_context(cafile="/etc/kubernetes/ca.crt")
    with socket.create_connection(("10.0.2.15", int(sys.argv[1]))) as plain:
        context.wrap_socket(plain, server_hostname="10.0.2.15").close()
"""


def described(control_plane: ControlPlane, kind: str, name: str) -> dict[str, Any]:
    return dict(json.loads(control_plane.kubectl("get", kind, name, "-o", "json")))


def test_is_a_linux_node_with_its_memory_and_no_swap(control_plane: ControlPlane, node: Node) -> None:
    found = described(control_plane, "node", node.name)
    assert found["metadata"]["labels"]["kubernetes.io/os"] == "linux"
    assert 1900 << 10 < int(found["status"]["capacity"]["memory"].removesuffix("Ki")) <= 2048 << 10
    assert node.run(["cat", "/proc/swaps"]).stdout.count("\n") == 1


def test_keeps_its_address_inside_for_pods_and_one_outside_for_the_api_server(
    control_plane: ControlPlane, node: Node
) -> None:
    addresses = described(control_plane, "node", node.name)["status"]["addresses"]
    assert {(a["type"], a["address"]) for a in addresses} >= {("InternalIP", "10.0.2.15"), ("ExternalIP", "127.0.0.1")}


def test_the_clusters_authority_vouches_for_kubelet(control_plane: ControlPlane, node: Node) -> None:
    port = described(control_plane, "node", node.name)["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"]
    node.vm.python(dedent(VERIFY_KUBELET), str(port))


def test_a_pod_reaches_the_api_server_by_its_service(control_plane: ControlPlane, pod: str) -> None:
    for _ in range(60):
        if '"gitVersion"' in control_plane.kubectl("logs", pod):
            return
        time.sleep(0.5)
    pytest.fail(f"expected the API server's version in the log, found: {control_plane.kubectl('logs', pod)}")


def test_commands_run_in_a_pod_through_the_api_server(control_plane: ControlPlane, pod: str) -> None:
    assert control_plane.kubectl("exec", pod, "--", "echo", "hello") == "hello\n"


def test_sandbox_and_container_are_sibling_leaves_of_the_pods_cgroup(
    control_plane: ControlPlane, node: Node, pod: str
) -> None:
    found = described(control_plane, "pod", pod)
    container = found["status"]["containerStatuses"][0]["containerID"].removeprefix("containerd://")
    folder = f"/sys/fs/cgroup/kubepods/pod{found['metadata']['uid']}"
    leaves = node.run(["find", folder, "-mindepth", "1", "-type", "d", "-printf", "%f\n"]).stdout.split()
    assert len(leaves) == 2
    assert container in leaves


def test_a_pod_outlives_kubelet_and_containerd(control_plane: ControlPlane, node: Node, pod: str) -> None:
    before = described(control_plane, "pod", pod)["status"]["containerStatuses"]
    for name in ("kubelet", "containerd"):
        node.services[name].signal(signal.SIGKILL)
        assert node.services[name].wait(timeout=30).returncode == -signal.SIGKILL
    for name in ("containerd", "kubelet"):
        node.start_service(name)
    assert answer_of(control_plane, pod) == "alive\n"
    assert described(control_plane, "pod", pod)["status"]["containerStatuses"] == before


def answer_of(control_plane: ControlPlane, pod: str) -> str:
    """What the pod says once kubelet serves again."""
    deadline = time.monotonic() + 120
    while True:
        try:
            return control_plane.kubectl("exec", pod, "--", "echo", "alive")
        except KubectlError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def test_takes_another_image(node: Node, tmp_path: Path) -> None:
    archive = tmp_path / "image.tar"
    write_image(archive, "localhost/another:dev")
    node.load_image(archive)
    assert "localhost/another:dev" in node.run(["ctr", "--namespace=k8s.io", "images", "ls", "--quiet"]).stdout


def write_image(archive: Path, name: str) -> None:
    """The smallest docker archive: one layer with nothing in it."""
    layer = io.BytesIO()
    tarfile.open(fileobj=layer, mode="w").close()
    digest = hashlib.sha256(layer.getvalue()).hexdigest()
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]}}
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    with tarfile.open(archive, "w") as tar:
        for member, content in {"config.json": config, "manifest.json": manifest}.items():
            add_member(tar, member, json.dumps(content).encode())
        add_member(tar, "layer.tar", layer.getvalue())


def add_member(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))
