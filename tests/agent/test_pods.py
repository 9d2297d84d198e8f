"""What is taken from a pod object."""

from typing import Any

import pytest

from oompolicy_agent.pods import Container, PodError, parse_pod


def body(spec: dict[str, Any] | None = None, status: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"metadata": {"name": "p", "namespace": "shop", "uid": "u-1"}, "spec": spec or {}, "status": status or {}}


def container(name: str, memory: str | int | None = None, **more: str) -> dict[str, Any]:
    return {"name": name, **more} | ({} if memory is None else {"resources": {"requests": {"memory": memory}}})


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        ("0", 0),
        (1024, 1024),
        ("1Ki", 1024),
        ("300Mi", 314572800),
        ("1.5Gi", 1610612736),
        ("2Ti", 2199023255552),
        ("1k", 1000),
        ("3M", 3000000),
        ("1G", 10**9),
        ("100m", 1),
        ("1500m", 2),
        ("12e6", 12000000),
        ("1E", 10**18),
        ("9007199254740993", 9007199254740993),
    ],
)
def test_quantities_are_exact_and_rounded_up(quantity: str | int, expected: int) -> None:
    assert parse_pod(body({"containers": [container("a", quantity)]})).request_bytes == expected


@pytest.mark.parametrize("quantity", ["12Mb", "lots", "NaN", "Infinity", [], "1ki"])
def test_a_quantity_that_is_none_is_named_by_its_field(quantity: Any) -> None:  # noqa: ANN401 - YAML holds anything
    with pytest.raises(PodError, match=r"^spec\.containers\[0\]\.resources\.requests\.memory: expected a quantity"):
        parse_pod(body({"containers": [container("a", quantity)]}))


SIDECAR = {"restartPolicy": "Always"}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({"containers": [container("a", 10), container("b", 5), container("c")]}, 15, id="sum"),
        pytest.param(
            {"containers": [container("a", 10)], "initContainers": [container("i", 30)]}, 30, id="larger-init"
        ),
        pytest.param(
            {"containers": [container("a", 10)], "initContainers": [container("i", 3)]}, 10, id="smaller-init"
        ),
        pytest.param(
            {"containers": [container("a", 10)], "initContainers": [container("s", 4, **SIDECAR)]},
            14,
            id="sidecar-adds",
        ),
        pytest.param(
            {"containers": [container("a", 10)], "initContainers": [container("s", 4, **SIDECAR), container("i", 11)]},
            15,
            id="init-beside-the-sidecar-before-it",
        ),
        pytest.param(
            {"containers": [container("a", 10)], "initContainers": [container("i", 13), container("s", 4, **SIDECAR)]},
            14,
            id="init-before-the-sidecar",
        ),
        pytest.param(
            {"containers": [container("a", 10)], "resources": {"requests": {"memory": 100}}},
            100,
            id="pod-level-replaces",
        ),
        pytest.param(
            {"containers": [container("a", 10)], "resources": {"requests": {"cpu": "1"}}},
            10,
            id="pod-level-without-memory",
        ),
        pytest.param({"containers": [container("a", 10)], "overhead": {"memory": 7}}, 17, id="overhead"),
        pytest.param({}, 0, id="nothing"),
    ],
)
def test_a_pods_request_is_what_the_scheduler_set_aside(spec: dict[str, Any], expected: int) -> None:
    assert parse_pod(body(spec)).request_bytes == expected


def test_a_containers_id_is_the_runtimes_without_its_scheme() -> None:
    spec = {
        "containers": [container("main", 10), container("waiting", 5)],
        "initContainers": [container("sidecar", 4, **SIDECAR)],
        "ephemeralContainers": [container("debug")],
    }
    status = {
        "containerStatuses": [{"name": "main", "containerID": "containerd://c1"}, {"name": "waiting"}],
        "initContainerStatuses": [{"name": "sidecar", "containerID": "cri-o://c2"}],
        "ephemeralContainerStatuses": [{"name": "debug", "containerID": "containerd://c3"}],
    }
    found = parse_pod(body(spec, status)).containers
    assert found == (
        Container("main", "c1", 10),
        Container("waiting", "", 5),
        Container("sidecar", "c2", 4),
        Container("debug", "c3", 0),
    )


def resized(name: str, memory: int) -> dict[str, Any]:
    return {"name": name, "containerID": f"containerd://{name}", "resources": {"requests": {"memory": memory}}}


def test_a_resize_counts_once_kubelet_has_granted_it() -> None:
    spec = {"containers": [container("a", 10), container("b", 5)], "initContainers": [container("s", 4, **SIDECAR)]}
    found = parse_pod(body(spec, {"containerStatuses": [resized("a", 7)], "initContainerStatuses": [resized("s", 2)]}))
    assert [one.request_bytes for one in found.containers] == [7, 5, 2]
    assert found.request_bytes == 7 + 5 + 2


def test_a_resize_of_the_pod_as_a_whole_counts_once_it_has_been_granted() -> None:
    spec = {"containers": [container("a", 10)], "resources": {"requests": {"memory": 100}}}
    assert parse_pod(body(spec, {"resources": {"requests": {"memory": 60}}})).request_bytes == 60


def test_what_the_pod_wants_itself_is_taken_as_it_stands() -> None:
    given = body()
    assert parse_pod(given).wanted_priority is None
    given["metadata"]["annotations"] = {"oompolicy.dev/priority": " 5"}
    assert parse_pod(given).wanted_priority == " 5"


def test_a_static_pod_is_called_by_the_hash_of_its_manifest() -> None:
    given = body()
    given["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "aa11", "kubernetes.io/config.hash": "aa11"}
    found = parse_pod(given)
    assert (found.uid, found.static) == ("aa11", True)


def test_a_tenant_cannot_call_its_pod_by_another_ones_cgroup() -> None:
    given = body()
    given["metadata"]["annotations"] = {"kubernetes.io/config.hash": "aa11", "kubernetes.io/config.source": "file"}
    found = parse_pod(given)
    assert (found.uid, found.static) == ("u-1", False)


@pytest.mark.parametrize(("said", "expected"), [("Guaranteed", "Guaranteed"), ("BestEffort", "BestEffort"), (None, "")])
def test_the_qos_class_is_what_the_api_server_says(said: str | None, expected: str) -> None:
    assert parse_pod(body(status={"qosClass": said})).qos_class == expected


@pytest.mark.parametrize(("said", "expected"), [("Never", "Never"), (None, "Always")])
def test_a_pod_restarts_always_unless_it_says_otherwise(said: str | None, expected: str) -> None:
    assert parse_pod(body({"restartPolicy": said})).restart_policy == expected


@pytest.mark.parametrize(("deleted", "expected"), [("2026-11-25T13:00:00Z", True), (None, False)])
def test_a_pod_that_has_been_deleted_is_terminating(deleted: str | None, *, expected: bool) -> None:
    given = body()
    given["metadata"]["deletionTimestamp"] = deleted
    assert parse_pod(given).terminating is expected


@pytest.mark.parametrize(
    ("broken", "field"),
    [
        pytest.param({"metadata": {"namespace": "a"}}, "metadata.name", id="no-name"),
        pytest.param({"metadata": "x"}, "metadata", id="metadata-is-text"),
        pytest.param({"metadata": {"name": "p"}, "spec": {"containers": "x"}}, "spec.containers", id="containers"),
        pytest.param({"metadata": {"name": "p"}, "spec": {"containers": ["x"]}}, "spec.containers[0]", id="container"),
        pytest.param({"metadata": {"name": "p"}, "spec": {"priority": "9"}}, "spec.priority", id="priority"),
        pytest.param({"metadata": {"name": 7}}, "metadata.name", id="name-is-a-number"),
    ],
)
def test_a_pod_that_is_not_one_is_refused_by_field(broken: dict[str, Any], field: str) -> None:
    with pytest.raises(PodError) as caught:
        parse_pod(broken)
    assert caught.value.field == field
