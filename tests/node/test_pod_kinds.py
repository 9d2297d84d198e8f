"""Every kind of pod and container that kubelet runs is told to the guard by the cgroup that it really has."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from demo import story
from lab.images import WORKLOAD
from operating.installed import Installed

pytestmark = pytest.mark.node

STATIC_POD = "/etc/kubernetes/manifests/static.json"


def container(name: str, *, request: str = "8Mi", **fields: object) -> dict[str, Any]:
    """One that holds a little memory."""
    plain = {"name": name, "image": WORKLOAD, "imagePullPolicy": "Never", "args": ["hold", "--mebibytes=1"]}
    return plain | {"resources": {"requests": {"memory": request}}} | fields


def pod(name: str, **spec: object) -> str:
    """A pod that ends at once when it is deleted."""
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}}
    return json.dumps(body | {"spec": {"terminationGracePeriodSeconds": 0} | spec})


@pytest.fixture(scope="module")
def kinds(product: Installed) -> Iterator[str]:
    """A pod with an init container that has ended, a sidecar, two containers, and one for debugging."""
    first = container("first", command=["true"])
    sidecar = container("sidecar", restartPolicy="Always")
    product.control_plane.kubectl(
        *("apply", "-f", "-"),
        input=pod("kinds", initContainers=[first, sidecar], containers=[container("main"), container("second")]),
    )
    product.control_plane.kubectl("wait", "--for=condition=Ready", "pod/kinds", "--timeout=120s")
    debug = ("debug", "kinds", f"--image={WORKLOAD}", "--image-pull-policy=Never", "--container=debugger")
    product.control_plane.kubectl(*debug, "--", "sleep", "100000")
    yield "kinds"
    product.control_plane.kubectl("delete", "pod", "kinds", "--timeout=60s")


def cgroups(product: Installed, name: str) -> dict[str, str]:
    """The containers by which the guard knows the pod, and the cgroup below the pod's own that each has, if it has."""
    if name not in (targets := product.targets()):
        return {}
    uid = targets[name]["uid"]
    there = f"find /sys/fs/cgroup/kubepods -type d -path '*/pod{uid}/*'"
    paths = product.node.run(["sh", "-c", there]).stdout.split()
    return {
        each: path for each, id_ in product.containers(name).items() for path in paths if path.rpartition("/")[2] == id_
    }


def test_containers_of_all_kinds_have_their_cgroups(product: Installed, kinds: str) -> None:
    running = {"sidecar", "main", "second", "debugger"}
    story.wait_until("all are known", lambda: cgroups(product, kinds).keys() == running)
    missing = ("podsWithoutCgroup", "unknownLeaves")
    story.wait_until("the guard misses nobody", lambda: not any(product.guard_status()[each] for each in missing))


def test_a_container_that_was_restarted_is_known_by_its_new_cgroup(product: Installed, kinds: str) -> None:
    before = cgroups(product, kinds)
    product.node.run(["sh", "-c", 'echo 1 > "$1/cgroup.kill"', "sh", before["main"]])
    story.wait_until("another one", lambda: cgroups(product, kinds).get("main", before["main"]) != before["main"])
    assert {**cgroups(product, kinds), "main": ""} == {**before, "main": ""}


def test_a_pod_that_was_resized_in_place_has_its_new_request(product: Installed, kinds: str) -> None:
    before = product.containers(kinds)
    more = {"spec": {"containers": [{"name": "main", "resources": {"requests": {"memory": "24Mi"}}}]}}
    product.control_plane.kubectl("patch", "pod", kinds, "--subresource=resize", "-p", json.dumps(more))

    def requests() -> dict[str, int]:
        return {each["name"]: each["requestBytes"] >> 20 for each in product.targets()[kinds]["containers"]}

    story.wait_until("it is told", lambda: requests()["main"] == 24)
    assert requests()["second"] == 8
    assert product.containers(kinds) == before, "nothing was restarted"


def test_a_pods_own_request_counts_for_all_its_containers(product: Installed) -> None:
    whole = pod("whole", resources={"requests": {"memory": "48Mi"}}, containers=[container("a"), container("b")])
    product.control_plane.kubectl("apply", "-f", "-", input=whole)
    try:
        story.wait_until("its cgroups are known", lambda: len(cgroups(product, "whole")) == 2)
        assert product.targets()["whole"]["requestBytes"] == 48 << 20
    finally:
        product.control_plane.kubectl("delete", "pod", "whole", "--timeout=60s")


def test_a_static_pod_is_known_by_the_cgroup_that_kubelet_made_of_its_manifest(product: Installed) -> None:
    name = f"static-{product.node.name}"
    product.node.vm.write(STATIC_POD, pod("static", containers=[container("main")]))
    try:
        story.wait_until("its cgroup is known", lambda: cgroups(product, name).keys() == {"main"})
        uid = product.control_plane.kubectl("get", "pod", name, "-o", "jsonpath={.metadata.uid}")
        assert product.targets()[name]["uid"] != uid, "the mirror's uid is another one"
    finally:
        product.node.run(["rm", STATIC_POD])
        story.wait_until("it is gone", lambda: name not in product.targets())
