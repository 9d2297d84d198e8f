"""The life of a release: installed, used by its notes, upgraded, uninstalled; policies outlive it and block nothing."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import chart
from demo.installation import CHART, OPERATOR_NAMESPACE
from lab.control_plane import ControlPlane
from operating.process import AGENTS, helm

pytestmark = pytest.mark.cluster

PATIENCE = "--timeout=90s"
PREVIOUS = sorted((Path(__file__).parents[1] / "data" / "charts").glob("*.tgz"))


@pytest.fixture(scope="module")
def cluster() -> Iterator[ControlPlane]:
    """A control plane of its own, without the CRDs, in which the operator's namespace is a restricted one."""
    with ControlPlane() as running:
        running.kubectl("create", "namespace", OPERATOR_NAMESPACE)
        running.kubectl("label", "namespace", OPERATOR_NAMESPACE, "pod-security.kubernetes.io/enforce=restricted")
        yield running


@pytest.fixture(scope="module")
def notes(cluster: ControlPlane) -> str:
    """What `helm install` prints."""
    return helm(cluster, "install")


def test_policy_in_the_notes_is_ready_to_paste(cluster: ControlPlane, notes: str) -> None:
    cluster.kubectl("wait", "--for=condition=Established", "crd/oompolicies.oompolicy.dev", PATIENCE)
    found = re.search(r"^kubectl apply -f - <<'YAML'\n(.*?)\nYAML\n", notes, re.DOTALL | re.MULTILINE)
    assert found
    assert "oompolicy.oompolicy.dev/mixed" in cluster.apply(found[1])


def test_operators_pod_is_admitted_by_a_restricted_namespace(cluster: ControlPlane, notes: str) -> None:
    assert notes
    pods = ("-n", OPERATOR_NAMESPACE, "pod", "-l", "app.kubernetes.io/component=operator")
    cluster.kubectl("wait", "--for=create", *pods, PATIENCE)


def test_upgrade_changes_the_crds_too(cluster: ControlPlane, notes: str) -> None:
    assert notes
    cluster.kubectl("label", "crd", "oompolicies.oompolicy.dev", "app.kubernetes.io/part-of=other", "--overwrite")
    helm(cluster, "upgrade", "--force-conflicts")
    where = "jsonpath={.metadata.labels.app\\.kubernetes\\.io/part-of}"
    assert cluster.kubectl("get", "crd", "oompolicies.oompolicy.dev", "-o", where) == "oompolicy"


def test_everything_it_renders_is_taken_by_the_api_server(cluster: ControlPlane, notes: str) -> None:
    """All that a GitOps tool would apply: hooks are helm's, and need the accounts that come with them."""
    assert notes
    options = (f"--namespace={OPERATOR_NAMESPACE}", "--no-hooks", "--set=networkPolicy.enabled=true")
    rendered = chart.helm("template", "oompolicy", CHART, *options).stdout
    said = cluster.kubectl("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-", input=rendered)
    assert said.count("serverside-applied (server dry run)") == rendered.count("\nkind: ")


def test_uninstalled_release_leaves_policies_that_can_be_deleted_and_no_agents(
    cluster: ControlPlane, notes: str
) -> None:
    assert notes
    cluster.apply("{apiVersion: oompolicy.dev/v1alpha1, kind: OOMPolicy, metadata: {name: kept}, spec: {}}")
    helm(cluster, "uninstall", "--no-hooks")  # no node would run the Job
    assert "oompolicy.oompolicy.dev/kept" in cluster.kubectl("get", "oomp", "-o", "name")
    cluster.kubectl("wait", "--for=delete", f"namespace/{AGENTS}", PATIENCE)
    cluster.kubectl("delete", "oomp", "--all", PATIENCE)


def test_release_can_be_installed_again_over_the_crds_that_stayed(cluster: ControlPlane, notes: str) -> None:
    assert notes
    helm(cluster, "install")
    cluster.kubectl("get", "namespace", AGENTS)


def test_upgrade_from_the_previous_chart_and_back_keeps_policies(cluster: ControlPlane, notes: str) -> None:
    """The previous one is kept as it was packaged."""
    assert notes
    (previous,) = PREVIOUS
    helm(cluster, "uninstall", "--no-hooks")
    cluster.kubectl("wait", "--for=delete", f"namespace/{AGENTS}", PATIENCE)
    cluster.kubectl("delete", "crd", "--all", PATIENCE)
    helm(cluster, "install", chart=previous)
    cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", PATIENCE)
    cluster.apply("{apiVersion: oompolicy.dev/v1alpha1, kind: OOMPolicy, metadata: {name: kept}, spec: {}}")
    uid = ("get", "oomp", "kept", "-o", "jsonpath={.metadata.uid}")
    before = cluster.kubectl(*uid)
    helm(cluster, "upgrade")
    cluster.kubectl("wait", "--for=condition=Established", "crd/oomdecisions.oompolicy.dev", PATIENCE)
    newer = (
        "{apiVersion: oompolicy.dev/v1alpha1, kind: OOMPolicy, metadata: {name: newer}, spec: {backends: [Userspace]}}"
    )
    assert "newer" in cluster.apply(newer)
    assert cluster.kubectl(*uid) == before
    helm(cluster, "rollback")
    assert cluster.kubectl(*uid) == before
    helm(cluster, "upgrade")
    assert cluster.kubectl(*uid) == before
