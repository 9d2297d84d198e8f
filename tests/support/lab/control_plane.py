"""A real control plane on loopback: etcd, kube-apiserver, kube-controller-manager and kube-scheduler.

Its API server is reached from virtual machines too, by the address that stands for the host there.
"""

import base64
import json
import shutil
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lab import binaries
from lab.certificates import Authority
from lab.daemon import Daemon, free_port, wait_for

__all__ = ["GUEST_GATEWAY", "ControlPlane", "KubectlError"]

GUEST_GATEWAY = "10.0.2.2"
"""The host, as a virtual machine with QEMU's user networking sees it."""

SERVICE_ADDRESS = "10.96.0.1"
"""The cluster address of the service `kubernetes`."""

PATIENCE_SECONDS = 120.0


class KubectlError(RuntimeError):
    """kubectl failed; the message is what it said."""


class ControlPlane:
    """Starts on entry, ends on exit; `components=False` leaves controller-manager and scheduler out.

    With `audit` the API server keeps a record of each request.

    Attributes:
        kubeconfig: the administrator's.
        port: of the API server, on all addresses of loopback.
        authority: the cluster's, which signs what a test asks for; ca_cert and ca_key are its files.
        binaries: a folder with kubectl, kubelet and the components, fit for PATH.
        logs: a folder with one log file for each component.
        server_for_guests: the API server's address inside virtual machines.
    """

    def __init__(self, *, components: bool = True, audit: bool = False) -> None:
        self._components = components
        self._audit = audit
        self.port = free_port()
        self.server_for_guests = f"https://{GUEST_GATEWAY}:{self.port}"

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.folder = Path(tempfile.mkdtemp(prefix="control-plane-"))
            stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
            self._prepare()
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def kubectl(self, *arguments: str, input: str | None = None) -> str:  # noqa: A002 - subprocess calls it so
        """What `kubectl ARGUMENTS` prints; raises KubectlError with what it says when it fails."""
        command: list[str | Path] = [self.binaries / "kubectl", f"--kubeconfig={self.kubeconfig}", *arguments]
        result = subprocess.run(command, input=input, capture_output=True, text=True, check=False)
        if result.returncode:
            raise KubectlError(f"kubectl {' '.join(arguments)}: {result.stderr.strip()}")
        return result.stdout

    def apply(self, manifest: str) -> str:
        """Applies YAML by server-side apply; raises KubectlError as kubectl() does."""
        return self.kubectl("apply", "--server-side", "-f", "-", input=manifest)

    def kubelet_kubeconfig(self, node_name: str) -> Path:
        """A kubeconfig with which the kubelet of `node_name` reaches the API server from its virtual machine."""
        return self._kubeconfig(f"system:node:{node_name}", "system:nodes", self.server_for_guests)

    def requests_of(self, user_agent: str) -> list[dict[str, Any]]:
        """The audit records of requests that have ended, or begun to stream, oldest first."""
        lines = (self.logs / "audit.log").read_text().splitlines()
        return [record for record in map(json.loads, lines) if record["userAgent"] == user_agent]

    def stop_api_server(self) -> None:
        """Ends the API server, so that a test sees what happens without it."""
        self._api_server.stop()

    def start_api_server(self) -> None:
        """Starts the API server and waits until it is ready."""
        self._api_server = Daemon(self._api_server_command(), self.logs / "kube-apiserver.log")
        wait_for("API server ready", self._ready, daemon=self._api_server, patience_seconds=PATIENCE_SECONDS)

    def _prepare(self) -> None:
        self.logs = self.folder / "logs"
        self.logs.mkdir()
        self.binaries = self.folder / "bin"
        self.binaries.mkdir()
        for program in (*binaries.components(), binaries.kubectl()):
            (self.binaries / program.name).symlink_to(program)
        self.authority = Authority(self.folder)
        self.ca_cert, self.ca_key = self.authority.certificate, self.authority.key
        addresses = ("127.0.0.1", GUEST_GATEWAY, SERVICE_ADDRESS)
        names = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
        self._serving = self.authority.issue("apiserver", "/CN=kube-apiserver", addresses=addresses, names=names)
        self._kubelet_client = self.authority.issue("kubelet-client", "/O=system:masters/CN=kube-apiserver")
        self.kubeconfig = self._kubeconfig("admin", "system:masters")

    def _start(self, stack: ExitStack) -> None:
        self._etcd_port, peer_port = free_port(), free_port()
        etcd = Daemon(self._etcd_command(peer_port), self.logs / "etcd.log")
        stack.callback(etcd.stop)
        self._api_server = Daemon(self._api_server_command(), self.logs / "kube-apiserver.log")
        stack.callback(self.stop_api_server)
        wait_for("API server ready", self._ready, daemon=self._api_server, patience_seconds=PATIENCE_SECONDS)
        if self._components:
            for command in (self._controller_manager_command(), self._scheduler_command()):
                stack.callback(Daemon(command, self.logs / f"{Path(command[0]).name}.log").stop)

    def _ready(self) -> bool:
        try:
            self.kubectl("get", "--raw", "/readyz")
        except KubectlError:
            return False
        return True

    def _etcd_command(self, peer_port: int) -> list[str | Path]:
        client, peer = f"http://127.0.0.1:{self._etcd_port}", f"http://127.0.0.1:{peer_port}"
        return [
            binaries.etcd(),
            "--unsafe-no-fsync",  # nothing here outlives the run, and a disk is slow
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--log-level=warn",
        ]

    def _api_server_command(self) -> list[str | Path]:
        certificate, key = self._serving
        client_certificate, client_key = self._kubelet_client
        return [
            self.binaries / "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            "--bind-address=127.0.0.1",
            "--advertise-address=" + GUEST_GATEWAY,  # what the endpoints of the service `kubernetes` say
            f"--secure-port={self.port}",
            f"--tls-cert-file={certificate}",
            f"--tls-private-key-file={key}",
            f"--client-ca-file={self.ca_cert}",
            f"--kubelet-client-certificate={client_certificate}",
            f"--kubelet-client-key={client_key}",
            "--kubelet-preferred-address-types=ExternalIP,InternalIP",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self.ca_cert}",
            f"--service-account-signing-key-file={self.ca_key}",
            *(self._audit_options() if self._audit else ()),
        ]

    def _audit_options(self) -> list[str]:
        policy = self.folder / "audit.json"
        rules = [{"level": "Metadata", "omitStages": ["RequestReceived"]}]
        policy.write_text(json.dumps({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": rules}))
        return [f"--audit-policy-file={policy}", f"--audit-log-path={self.logs / 'audit.log'}"]

    def _controller_manager_command(self) -> list[str | Path]:
        return [
            self.binaries / "kube-controller-manager",
            f"--kubeconfig={self.kubeconfig}",
            f"--root-ca-file={self.ca_cert}",
            f"--service-account-private-key-file={self.ca_key}",
            "--use-service-account-credentials",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            f"--secure-port={free_port()}",
        ]

    def _scheduler_command(self) -> list[str | Path]:
        return [
            self.binaries / "kube-scheduler",
            f"--kubeconfig={self.kubeconfig}",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            f"--secure-port={free_port()}",
        ]

    def _kubeconfig(self, user: str, group: str, server: str = "") -> Path:
        file_name = user.replace(":", "-")
        certificate, key = self.authority.issue(file_name, f"/O={group}/CN={user}")
        cluster = {
            "server": server or f"https://127.0.0.1:{self.port}",
            "certificate-authority-data": _base64(self.ca_cert),
        }
        login = {"client-certificate-data": _base64(certificate), "client-key-data": _base64(key)}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "lab",
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab"}}],
            "clusters": [{"name": "lab", "cluster": cluster}],
            "users": [{"name": "lab", "user": login}],
        }
        path = self.folder / f"{file_name}.kubeconfig"
        path.write_text(json.dumps(config))  # JSON is YAML
        return path


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
