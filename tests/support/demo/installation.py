"""Installs the product into a cluster as a user would: `helm install`, then `kubectl apply`."""

import subprocess
from pathlib import Path

from lab import binaries, report
from lab.control_plane import ControlPlane

__all__ = ["CHART", "OPERATOR_NAMESPACE", "helm_install", "helm_test", "helm_uninstall", "manifest"]

CHART = Path(__file__).parents[3] / "charts" / "oompolicy"
"""The chart, as it stands in this checkout."""

OPERATOR_NAMESPACE = "oompolicy-system"
"""Where the demo installs the operator."""


def manifest(name: str) -> str:
    """The text of one of the YAML files beside this module."""
    return (Path(__file__).parent / name).read_text()


def helm_install(control_plane: ControlPlane, *values: str) -> None:
    """Runs `helm install` and waits until the operator is up.

    Raises:
        RuntimeError: helm failed; the message is what it said.
    """
    report.note("$ helm install oompolicy charts/oompolicy --namespace " + OPERATOR_NAMESPACE)
    chosen = [f"--set={value}" for value in ("operator.image.tag=dev", "agent.image.tag=dev", *values)]
    _helm(control_plane, "install", "oompolicy", str(CHART), "--create-namespace", "--wait", "--timeout=300s", *chosen)


def helm_test(control_plane: ControlPlane) -> None:
    """Runs `helm test`; raises RuntimeError with what helm said if something does not work."""
    _helm(control_plane, "test", "oompolicy", "--timeout=300s")


def helm_uninstall(control_plane: ControlPlane) -> None:
    """Runs `helm uninstall` and waits until the operator is gone; raises RuntimeError with what helm said."""
    _helm(control_plane, "uninstall", "oompolicy", "--wait", "--timeout=300s")


def _helm(control_plane: ControlPlane, *arguments: str) -> None:
    where = (f"--namespace={OPERATOR_NAMESPACE}", f"--kubeconfig={control_plane.kubeconfig}")
    result = subprocess.run([binaries.helm(), *arguments, *where], capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(f"helm {arguments[0]} failed: {result.stderr.strip()}")
