"""`oompolicy-operator check`: whether an installation works, asked of the API server; what `helm test` runs."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from oompolicy_operator.cluster import OPERATOR, Cluster
from oompolicy_operator.lease import LEASE, LEASE_SECONDS
from oompolicy_operator.lease import NAMESPACE as LEASE_NAMESPACE

__all__ = ["Finding", "checkup", "is_held"]


class Finding(NamedTuple):
    """One thing that has to be so."""

    what: str
    holds: bool
    advice: str
    """What to do where it does not hold."""


async def checkup(cluster: Cluster, operator_namespace: str) -> AsyncIterator[Finding]:
    """Each finding as it is made; raises what Cluster raises."""
    served = await cluster.has_policies_kind()
    yield Finding("the CRDs are served", served, "install them: set crds.install, or kubectl apply -f crds/")
    deployment = await cluster.deployment(operator_namespace, OPERATOR)
    available = bool(deployment and deployment.get("status", {}).get("availableReplicas"))
    where = f"kubectl -n {operator_namespace} describe pods -l app.kubernetes.io/component=operator"
    yield Finding("the operator is Ready", available, where)
    held = is_held(await cluster.lease(LEASE_NAMESPACE, LEASE), datetime.now(UTC))
    yield Finding("the operator holds its Lease", held, f"kubectl -n {LEASE_NAMESPACE} get lease {LEASE} -o yaml")


def is_held(lease: Mapping[str, Any] | None, now: datetime) -> bool:
    """Whether somebody has it and has renewed it in time."""
    spec = lease["spec"] if lease else {}
    if not spec.get("holderIdentity") or not spec.get("renewTime"):
        return False
    return (now - datetime.fromisoformat(spec["renewTime"])).total_seconds() < 2 * LEASE_SECONDS
