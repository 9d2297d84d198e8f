"""Kubelet's cgroup trees, as both of its drivers make them with containerd and CRI-O."""

import pytest

from oompolicy_agent.guard.layout import Kind, Place, classify

UID = "0b9c7a1e-2f4d-4c1a-9e55-5d1c5a3b7f10"
ESCAPED = UID.replace("-", "_")
HASH = "8f14e45fceea167a5a36dedd4bea2543"
ID = "3c41" * 16


def place(path: str) -> Place:
    """What the last memcg of `path` is, asked as a walk from the root does."""
    found = None
    names = path.split("/")[1:]
    for depth, name in enumerate(names, start=1):
        if not (depth == 1 and name in {"kubelet", "kubelet.slice"}):
            found = classify("/" + "/".join(names[:depth]), depth, found)
    assert found
    return found


@pytest.mark.parametrize(
    ("path", "kind", "pod_uid", "container_id"),
    [
        pytest.param("/kubepods", Kind.TOP, "", "", id="top"),
        pytest.param("/kubepods.slice", Kind.TOP, "", "", id="top-systemd"),
        pytest.param("/kubelet/kubepods", Kind.TOP, "", "", id="top-kind"),
        pytest.param("/kubelet.slice/kubelet-kubepods.slice", Kind.TOP, "", "", id="top-kind-systemd"),
        pytest.param("/kubepods/burstable", Kind.QOS, "", "", id="qos"),
        pytest.param("/kubepods.slice/kubepods-besteffort.slice", Kind.QOS, "", "", id="qos-systemd"),
        pytest.param(f"/kubepods/pod{UID}", Kind.POD, UID, "", id="guaranteed"),
        pytest.param(f"/kubepods/burstable/pod{UID}", Kind.POD, UID, "", id="burstable"),
        pytest.param(f"/kubepods.slice/kubepods-pod{ESCAPED}.slice", Kind.POD, UID, "", id="guaranteed-systemd"),
        pytest.param(
            f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{ESCAPED}.slice",
            Kind.POD,
            UID,
            "",
            id="burstable-systemd",
        ),
        pytest.param(
            f"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/"
            f"kubelet-kubepods-besteffort-pod{ESCAPED}.slice",
            Kind.POD,
            UID,
            "",
            id="besteffort-kind-systemd",
        ),
        pytest.param(f"/kubepods/burstable/pod{HASH}", Kind.POD, HASH, "", id="static"),
        pytest.param(f"/kubepods/burstable/pod{UID}/{ID}", Kind.CONTAINER, UID, ID, id="container"),
        pytest.param(f"/kubepods/burstable/pod{UID}/crio-{ID}", Kind.CONTAINER, UID, ID, id="container-crio"),
        pytest.param(
            f"/kubepods.slice/kubepods-pod{ESCAPED}.slice/cri-containerd-{ID}.scope",
            Kind.CONTAINER,
            UID,
            ID,
            id="container-systemd",
        ),
        pytest.param(
            f"/kubepods.slice/kubepods-pod{ESCAPED}.slice/crio-{ID}.scope",
            Kind.CONTAINER,
            UID,
            ID,
            id="container-systemd-crio",
        ),
        pytest.param(
            f"/kubepods.slice/kubepods-pod{ESCAPED}.slice/crio-conmon-{ID}.scope",
            Kind.HELPER,
            UID,
            f"conmon-{ID}",
            id="conmon",
        ),
        pytest.param("/system.slice", Kind.HOST, "", "", id="host"),
        pytest.param("/kubepods-of-somebody-else", Kind.HOST, "", "", id="looks-like-the-top"),
        pytest.param("/kubepods/something", Kind.HOST, "", "", id="nothing-of-kubelets"),
        pytest.param("/user.slice/kubepods", Kind.HOST, "", "", id="kubepods-made-by-a-user"),
        pytest.param(f"/system.slice/pod{UID}", Kind.HOST, "", "", id="pod-outside-kubepods"),
    ],
)
def test_tells_what_a_memcg_is(path: str, kind: Kind, pod_uid: str, container_id: str) -> None:
    found = place(path)
    assert (found.kind, found.pod_uid, found.container_id) == (kind, pod_uid, container_id)


def test_a_hash_without_dashes_is_a_static_pods() -> None:
    assert place(f"/kubepods/burstable/pod{HASH}").is_static
    assert place(f"/kubepods/burstable/pod{HASH}/{ID}").is_static
    assert not place(f"/kubepods/burstable/pod{UID}").is_static
