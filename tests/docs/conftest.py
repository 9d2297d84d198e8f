"""A control plane with the product installed by the quick start's own command, and somebody who reads the pages."""

import json
from collections.abc import Iterator

import pytest

from doc_pages import REPOSITORY, blocks, fences
from doc_reader import Reader
from doc_table import PLACEHOLDERS
from lab.control_plane import ControlPlane

API = "oompolicy.dev/v1alpha1"
EXAMPLES = REPOSITORY / "docs" / "examples"
MONITORING = {"PodMonitor": "podmonitors", "PrometheusRule": "prometheusrules"}
"""Kinds of the Prometheus operator, which the chart makes objects of if it is told to."""


@pytest.fixture(scope="session")
def bare() -> Iterator[ControlPlane]:
    """Without any node; what a kubelet or an agent would write, a test writes itself."""
    with ControlPlane() as running:
        yield running


@pytest.fixture(scope="session")
def reader(bare: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """Somebody who has installed the chart and has the pods, policies and decisions of whom the pages speak."""
    found = Reader(bare, tmp_path_factory.mktemp("reader"))
    for kind, plural in MONITORING.items():
        bare.apply(json.dumps(_definition(kind, plural)))
    (install,) = [one for block in blocks("docs/quick-start.md") for one in block.commands if "helm install" in one]
    found.types(install)
    bare.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    policy = _policy_of_the_readme()
    found.has("my-policy.yaml", policy)
    found.has("changed.yaml", policy.replace("priority: 900", "priority: 950"))
    bare.apply(policy)
    _node_with_a_pod(bare)
    bare.apply((EXAMPLES / "audit-first-decisions.yaml").read_text())
    return found


def _definition(kind: str, plural: str) -> dict[str, object]:
    """A CRD that takes anything."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": kind, "plural": plural, "singular": kind.lower()}
    spec = {"group": "monitoring.coreos.com", "names": names, "scope": "Namespaced", "versions": [version]}
    metadata = {"name": f"{plural}.monitoring.coreos.com"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": metadata,
        "spec": spec,
    }


def _policy_of_the_readme() -> str:
    (found,) = [one for one in fences("README.md", "yaml") if "name: my-policy" in one]
    return found


def _node_with_a_pod(control_plane: ControlPlane) -> None:
    node = PLACEHOLDERS["NODE"]
    control_plane.apply(json.dumps({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}}))
    control_plane.kubectl("create", "namespace", "shop")
    control_plane.kubectl("-n", "shop", "wait", "--for=create", "serviceaccount/default", "--timeout=60s")
    metadata = {"name": "batch-7", "namespace": "shop"}
    spec = {"nodeName": node, "containers": [{"name": "main", "image": "pause"}]}
    control_plane.apply(json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}))
    control_plane.apply(json.dumps({"apiVersion": API, "kind": "OOMNode", "metadata": {"name": node}}))
