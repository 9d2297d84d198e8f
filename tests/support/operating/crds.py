"""The CRDs as a later release may have them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from lab.control_plane import ControlPlane

__all__ = ["next_version"]

POLICIES = Path(__file__).parents[3] / "crds" / "oompolicies.oompolicy.dev.yaml"


@contextmanager
def next_version(control_plane: ControlPlane) -> Iterator[None]:
    """While it lasts, policies may have a field more, `weather`, and rules a kind of protection more, `upTo: Limit`."""
    crd = yaml.safe_load(POLICIES.read_text())
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    spec["weather"] = {"type": "string", "maxLength": 10}
    spec["rules"]["items"]["properties"]["protect"]["properties"]["upTo"]["enum"].append("Limit")
    control_plane.kubectl("apply", "--server-side", "-f", "-", input=json.dumps(crd))
    try:
        yield
    finally:
        control_plane.kubectl("apply", "--server-side", "-f", str(POLICIES))
