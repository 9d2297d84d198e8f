"""The configuration of a lab node: what stands in its /etc, made from the templates in node_files."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from lab.control_plane import ControlPlane
from lab.images import SANDBOX

__all__ = ["ADDRESS", "FORWARDED_ADDRESS", "containerd_config", "write_configuration"]

FILES = Path(__file__).parent / "node_files"

ADDRESS = "10.0.2.15"
"""The node's, on QEMU's user network; nobody outside the machine can reach it."""

FORWARDED_ADDRESS = "127.0.0.1"
"""Where the host reaches the kubelet."""

PLACES = {
    "cni.conflist": "etc/cni/net.d/lab.conflist",
    "network.sh": "lab/node/network.sh",
    "service.sh": "lab/node/service.sh",
}


def write_configuration(
    tree: Path, control_plane: ControlPlane, node_name: str, kubelet_port: int, kubelet: Mapping[str, object]
) -> None:
    """Fills the folder `tree` with what belongs at the node's root; `kubelet` has fields of its configuration."""
    for name, place in PLACES.items():
        (tree / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(FILES / name, tree / place)
    kubernetes, containerd = tree / "etc/kubernetes", tree / "etc/containerd"
    (kubernetes / "manifests").mkdir(parents=True)
    containerd.mkdir()
    (containerd / "config.toml").write_text(containerd_config())
    (kubernetes / "kubelet.json").write_text(_kubelet_config({"port": kubelet_port, **kubelet}))
    _issue_serving_certificate(control_plane, kubernetes, node_name)
    shutil.copy(control_plane.ca_cert, kubernetes / "ca.crt")
    shutil.copy(control_plane.kubelet_kubeconfig(node_name), kubernetes / "kubeconfig")


def _issue_serving_certificate(control_plane: ControlPlane, folder: Path, node_name: str) -> None:
    """A certificate that the cluster's authority vouches for: the agent asks no other kubelet for its configuration."""
    certificate, key = control_plane.authority.issue(
        f"kubelet-{node_name}",
        f"/O=system:nodes/CN=system:node:{node_name}",
        addresses=(ADDRESS, FORWARDED_ADDRESS),
        names=(node_name,),
    )
    shutil.copy(certificate, folder / "kubelet.crt")
    shutil.copy(key, folder / "kubelet.key")


def containerd_config() -> str:
    """The config.toml of containerd."""
    return (FILES / "containerd.toml").read_text().replace("@SANDBOX@", SANDBOX)


def _kubelet_config(fields: Mapping[str, object]) -> str:
    return json.dumps(json.loads((FILES / "kubelet.json").read_text()) | dict(fields), indent=1)
