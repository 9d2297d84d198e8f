"""Runs the real operator process with the rights that the chart gives it."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from demo.installation import CHART
from lab import binaries
from lab.control_plane import ControlPlane
from lab.daemon import Daemon, free_port, wait_for

__all__ = ["AGENTS", "NAMESPACE", "Operator", "helm", "installed_operator", "kubeconfig_of"]

NAMESPACE = "oompolicy-system"
AGENTS = "oompolicy-agents"
PATIENCE_SECONDS = 90.0


def helm(control_plane: ControlPlane, action: str, *options: str, chart: Path = CHART) -> str:
    """Runs `helm ACTION oompolicy` without waiting for pods, which no node would run; returns what it prints.

    Raises:
        RuntimeError: helm failed; the message is what it said.
    """
    where = (f"--namespace={NAMESPACE}", f"--kubeconfig={control_plane.kubeconfig}")
    what = (chart, "--create-namespace") if action in {"install", "upgrade"} else ()
    command: list[str | Path] = [binaries.helm(), action, "oompolicy", *what, *where, *options]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(f"helm {action}: {result.stderr.strip()}")
    return result.stdout


def kubeconfig_of(control_plane: ControlPlane, token: str, path: Path) -> Path:
    """Writes a kubeconfig for whoever has `token`."""
    config = json.loads(control_plane.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    path.write_text(json.dumps(config))
    return path


@dataclass
class Operator:
    """The operator's process, with the settings and the service account of the installed chart."""

    control_plane: ControlPlane
    folder: Path
    process: Daemon | None = None

    def start(self) -> None:
        """Starts the process and waits until it is at work."""
        wait_for("operator ready", self.is_ready, daemon=self.launch(), patience_seconds=PATIENCE_SECONDS)

    def launch(self) -> Daemon:
        """Starts the process."""
        self._port = free_port()
        command: list[str | Path] = [sys.executable, "-m", "oompolicy_operator", "--config", self._config()]
        token = self.control_plane.kubectl("-n", NAMESPACE, "create", "token", "oompolicy-operator")
        kubeconfig = kubeconfig_of(self.control_plane, token, self.folder / "operator.kubeconfig")
        log = self.folder / "operator.log"
        self.process = Daemon(command, log, {"KUBECONFIG": str(kubeconfig)}, patience_seconds=30)
        return self.process

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"127.0.0.1:{self._port}"

    def stop(self) -> None:
        """Ends the process as the kubelet would, and waits for it."""
        if self.process:
            self.process.stop()
        self.process = None

    def kill(self) -> None:
        """Ends the process where it stands."""
        if self.process:
            self.process.process.kill()
            self.process.process.wait()
        self.process = None

    def lines(self) -> list[dict[str, Any]]:
        """Its log until now."""
        return [json.loads(line) for line in (self.folder / "operator.log").read_text().splitlines()]

    def is_ready(self) -> bool:
        """Whether it holds the Lease and watches the cluster."""
        try:
            return self.ask("readyz") == "ok\n"
        except OSError:
            return False

    def ask(self, path: str) -> str:
        """What it answers there, as to kubelet and to Prometheus; raises OSError, also for an answer of 503."""
        with urllib.request.urlopen(f"http://{self.address}/{path}", timeout=5) as answer:
            text: bytes = answer.read()
        return text.decode()

    def _config(self) -> Path:
        found = ("configmap", "oompolicy-operator", "-o", r"jsonpath={.data.operator\.yaml}")
        settings = yaml.safe_load(self.control_plane.kubectl("-n", NAMESPACE, "get", *found))
        path = self.folder / "operator.yaml"
        path.write_text(yaml.safe_dump(settings | {"healthPort": self._port}))
        return path


@contextmanager
def installed_operator(control_plane: ControlPlane, folder: Path, *options: str) -> Iterator[Operator]:
    """Installs the chart, but for its CRDs, with these options of helm's; its operator runs while the context lasts."""
    helm(control_plane, "upgrade", "--install", "--set=crds.install=false", *options)
    running = Operator(control_plane, folder)
    running.start()
    yield running
    running.stop()
