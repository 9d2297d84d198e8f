"""A whole Kubernetes node in a virtual machine: stock Debian kernel, containerd, kubelet, pods with a network.

The node registers with a control plane on the host's loopback. Calls from the API server to the kubelet (logs, exec)
come in through a port that QEMU forwards.
"""

import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self

from lab import report
from lab.control_plane import ControlPlane, KubectlError
from lab.daemon import free_port
from lab.node_config import ADDRESS, FORWARDED_ADDRESS, write_configuration
from lab.node_disks import image_disk, import_images, kubelet_disk
from lab.qemu import Access, Disk, Hardware
from lab.vm import Result, booted

if TYPE_CHECKING:
    from lab.guest_process import GuestProcess

__all__ = ["Node"]

SERVICES = {
    "containerd": ["containerd"],
    "kubelet": [
        "/opt/kubernetes/kubelet",
        "--config=/etc/kubernetes/kubelet.json",
        "--kubeconfig=/etc/kubernetes/kubeconfig",
        "--cloud-provider=external",  # leaves the Node's addresses to us
        "--v=2",
    ],
}

CONTAINERD_SOCKET = "/run/containerd/containerd.sock"

MAKE_DISKS_READ_ONLY = """
sync; echo u > /proc/sysrq-trigger
until dmesg | grep -q 'Emergency Remount complete'; do sleep 0.1; done
"""
"""They have no journal: what is not unmounted may be damaged."""

READY_SECONDS = 300
"""Generous: a quarter of a minute under emulation with nothing else on the host."""


class Node:
    """Powers on at entry and returns when the node is Ready and has its images; off at exit.

    Attributes:
        name: of the Node object.
        folder: console.log, containerd.log and kubelet.log, growing as they are written.
        vm: the machine below, for whatever this class does not offer.
        services: the processes of containerd and kubelet, to send signals to.
    """

    def __init__(
        self,
        control_plane: ControlPlane,
        *,
        images: Sequence[Path] = (),
        name: str = "node-1",
        memory_mib: int = 2048,
        folder: Path | None = None,
        kernel: Path | None = None,
        kubelet: Mapping[str, object] | None = None,
    ) -> None:
        """Of its `kernel`, see Hardware; `kubelet` has fields of kubelet's configuration."""
        self.name = name
        self.services: dict[str, GuestProcess] = {}
        self._control_plane = control_plane
        self._images = images
        self._memory_mib = memory_mib
        self._folder = folder
        self._kernel = kernel
        self._kubelet = kubelet or {}
        self._kubelet_port = free_port()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="oompolicy-node-")))
            self.folder = self._folder or scratch
            self._hardware = self._made_of(scratch)
            self._power = stack.enter_context(ExitStack())
            self._register()
            report.note(f"{self.name} is powered on; its logs are in {self.folder}")
            self.vm = self._power.enter_context(booted(self._hardware, self.folder))
            write_configuration(scratch / "files", self._control_plane, self.name, self._kubelet_port, self._kubelet)
            self.vm.push_folder(scratch / "files", "/")
            self._bring_up()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run(self, argv: Sequence[str], *, timeout: float = 60, check: bool = True) -> Result:
        """Runs a command on the node, as `VM.run` does."""
        return self.vm.run(argv, timeout=timeout, check=check)

    def reboot(self) -> None:
        """Boots it anew with what is on its disks; returns when it is Ready again. Its logs begin anew."""
        self.vm.run(["sh", "-c", MAKE_DISKS_READ_ONLY])
        self._power.close()
        report.note(f"{self.name} reboots")
        self.vm = self._power.enter_context(booted(self._hardware, self.folder))
        self._bring_up()

    def load_image(self, archive: Path) -> None:
        """Imports an OCI or docker archive of the host into containerd."""
        there = f"/lab/{archive.name}"
        self.vm.push(archive, there)
        import_images(self.vm, there)
        self.vm.run(["rm", there])

    def start_service(self, name: str) -> None:
        """Starts `containerd` or `kubelet`, for the first time or again.

        Returns once containerd listens; a kubelet that finds it silent gives up.
        """
        if name == "containerd":
            self.vm.run(["rm", "-f", CONTAINERD_SOCKET])  # a killed one leaves its socket behind
        self.services[name] = self.vm.start(["/lab/node/service.sh", name, *SERVICES[name]])
        if name == "containerd":
            self.vm.run(["sh", "-c", f"until [ -S {CONTAINERD_SOCKET} ]; do sleep 0.1; done"])

    def _made_of(self, scratch: Path) -> Hardware:
        return Hardware(
            memory_mib=self._memory_mib,
            kernel=self._kernel,
            disks=[
                Disk(kubelet_disk(self._control_plane.binaries), "kubernetes"),
                Disk(image_disk(self._images), "containerd", Access.OVERLAY),
            ],
            logs=[f"{name}.log" for name in SERVICES],
            forwards={self._kubelet_port: self._kubelet_port},
            keep_disks_in=scratch,
        )

    def _register(self) -> None:
        """Creates the Node object with its addresses, as a cloud's controller would: kubelet leaves those alone.

        The external one is how the API server, on the host, reaches the kubelet.
        """
        addresses = [("InternalIP", ADDRESS), ("ExternalIP", FORWARDED_ADDRESS), ("Hostname", self.name)]
        status = {"addresses": [{"type": kind, "address": address} for kind, address in addresses]}
        self._control_plane.apply(json.dumps({"apiVersion": "v1", "kind": "Node", "metadata": {"name": self.name}}))
        patch = ("--subresource=status", "--type=merge", "--patch", json.dumps({"status": status}))
        self._control_plane.kubectl("patch", "node", self.name, *patch)

    def _bring_up(self) -> None:
        self.vm.run(["/lab/node/network.sh", str(self._control_plane.port), self.name])
        self.vm.mount("containerd", "/var/lib/containerd")
        self.vm.mount("kubernetes", "/opt/kubernetes", "--read-only")
        self.start_service("containerd")
        self.start_service("kubelet")
        report.note(f"{self.name} has booted and started containerd and kubelet")
        self._wait_ready()
        report.note(f"{self.name} is Ready")

    def _wait_ready(self) -> None:
        """Waits for this boot's kubelet: after a reboot the Node object still says Ready for a while."""
        boot = self.vm.read("/proc/sys/kernel/random/boot_id").strip()
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            try:
                for what in (f"jsonpath={{.status.nodeInfo.bootID}}={boot}", "condition=Ready"):
                    self._control_plane.kubectl("wait", f"--for={what}", f"node/{self.name}", "--timeout=5s")
            except KubectlError:
                self._check_services()
            else:
                return
        raise TimeoutError(f"{self.name} was not Ready after {READY_SECONDS} s. {self._last_lines('kubelet')}")

    def _check_services(self) -> None:
        for name, process in self.services.items():
            if process.returncode is not None:
                raise RuntimeError(f"{name} ended with {process.returncode}. {self._last_lines(name)}")

    def _last_lines(self, service: str) -> str:
        lines = (self.folder / f"{service}.log").read_text(errors="replace").splitlines()
        return "Its log ends:\n" + "\n".join(lines[-20:])
