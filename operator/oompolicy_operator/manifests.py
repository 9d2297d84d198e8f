"""The DaemonSet for a policy: one pod with guard and sync on each node that the policy selects."""

import hashlib
from typing import Any

from oompolicy_api import GROUP, VERSION
from oompolicy_api.agents import AgentPods
from oompolicy_api.labels import AGENT_LABEL, POLICY_LABEL
from oompolicy_api.policy import OOMPolicy
from oompolicy_operator import agent_choices, confinement
from oompolicy_operator.placement import node_selector_term
from oompolicy_operator.settings import AgentSettings

__all__ = ["FIELD_MANAGER", "daemon_set_for", "daemon_set_name"]

Manifest = dict[str, Any]

FIELD_MANAGER = "oompolicy-operator"
"""Our name for server-side apply."""

SERVICE_ACCOUNT = "oompolicy-agent"
"""The chart makes it, in the agents' namespace."""

METRICS = "metrics"
"""The name of sync's port for Prometheus; the chart's PodMonitor and NetworkPolicy know it by that."""

_STATE = "/var/lib/oompolicy"
_RUNTIME = "/run/oompolicy"
"""On the host's tmpfs: what the guard keeps there outlives its pod."""
_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - a path, no secret
_TOKEN_SECONDS = 3600
"""Kubelet renews the token in time; the client reads it again every minute."""

_LAST_WORD_SECONDS = 5
"""So long the guard goes on when its pod ends: sync, told at the same time, may still have to say that nobody acts."""

_START_SECONDS = 5
"""A guard's container is Ready before its program has been read and waits for the lock: so long the old one stays."""

_LONGEST_NAME = 63


def daemon_set_name(policy_name: str) -> str:
    """`oompolicy-NAME`, cut and told apart by a digest when it would be no label any more."""
    name = f"oompolicy-{policy_name}"
    if len(name) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(policy_name.encode()).hexdigest()[:8]
    return f"{name[: _LONGEST_NAME - 9].rstrip('-.')}-{digest}"


def daemon_set_for(policy: OOMPolicy, agent: AgentSettings) -> Manifest:
    """The DaemonSet as we apply it: only the fields that we own."""
    labels = _labels(policy)
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {
            "name": daemon_set_name(policy.metadata.name),
            "namespace": agent.namespace,
            "labels": labels,
            "ownerReferences": [_owner(policy)],
        },
        "spec": {
            "selector": {"matchLabels": {POLICY_LABEL: policy.metadata.name}},
            "minReadySeconds": _START_SECONDS,
            "updateStrategy": agent_choices.update_strategy(policy.spec.agent),
            "template": {
                "metadata": {
                    "labels": labels,
                    "annotations": {"kubectl.kubernetes.io/default-container": "guard"},
                },
                "spec": _pod(policy, agent),
            },
        },
    }


def _labels(policy: OOMPolicy) -> dict[str, str]:
    key, value = AGENT_LABEL
    return {
        "app.kubernetes.io/name": "oompolicy",
        "app.kubernetes.io/part-of": "oompolicy",
        "app.kubernetes.io/managed-by": FIELD_MANAGER,
        key: value,
        POLICY_LABEL: policy.metadata.name,
    }


def _owner(policy: OOMPolicy) -> Manifest:
    """Deleting the policy removes the agents, by the garbage collector: also when no operator runs."""
    meta = policy.metadata
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "OOMPolicy",
        "name": meta.name,
        "uid": meta.uid,
        "controller": True,
    }


def _pod(policy: OOMPolicy, agent: AgentSettings) -> Manifest:
    secrets = [{"name": secret.name} for secret in agent.image_pull_secrets]
    affinity = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [node_selector_term(policy)]}}
    return {
        "serviceAccountName": SERVICE_ACCOUNT,
        "automountServiceAccountToken": False,
        "hostPID": True,
        "priorityClassName": "system-node-critical",
        "tolerations": agent_choices.tolerations(policy.spec.agent),
        "affinity": {"nodeAffinity": affinity},
        "terminationGracePeriodSeconds": _LAST_WORD_SECONDS + 10,
        "securityContext": confinement.POD,
        "containers": [_guard(policy.spec.agent, agent), _sync(policy.spec.agent, agent)],
        "volumes": _volumes(agent),
    } | ({"imagePullSecrets": secrets} if secrets else {})


def _guard(chosen: AgentPods, agent: AgentSettings) -> Manifest:
    mounts = [
        {"name": "cgroup", "mountPath": "/sys/fs/cgroup"},
        {"name": "state", "mountPath": _STATE},
        {"name": "runtime", "mountPath": _RUNTIME},
    ]
    return _container("guard", ["oompolicy-guard", "run"], chosen, agent) | {
        "securityContext": confinement.GUARD,
        "lifecycle": {"preStop": {"sleep": {"seconds": _LAST_WORD_SECONDS}}},
        "volumeMounts": mounts,
        "resources": agent_choices.resources(chosen.resources.guard, agent.guard),
    }


def _sync(chosen: AgentPods, agent: AgentSettings) -> Manifest:
    mounts = [
        {"name": "inbox", "mountPath": f"{_STATE}/inbox"},
        {"name": "outbox", "mountPath": f"{_STATE}/outbox", "readOnly": True},
        {"name": "token", "mountPath": _TOKEN, "readOnly": True},
    ]
    container = _container("sync", ["oompolicy-sync"], chosen, agent)
    if agent.decisions_namespace:
        container["env"].append({"name": "DECISIONS_NAMESPACE", "value": agent.decisions_namespace})
    if agent.metrics_port:
        container["env"].append({"name": "METRICS_PORT", "value": str(agent.metrics_port)})
        container["ports"] = [{"name": METRICS, "containerPort": agent.metrics_port, "protocol": "TCP"}]
    return container | {
        "securityContext": confinement.SYNC,
        "volumeMounts": mounts,
        "resources": agent_choices.resources(chosen.resources.sync, agent.sync),
    }


def _container(name: str, command: list[str], chosen: AgentPods, agent: AgentSettings) -> Manifest:
    fields = {"NODE_NAME": "spec.nodeName", "POD_UID": "metadata.uid", "POD_NAMESPACE": "metadata.namespace"}
    env = [{"name": key, "valueFrom": {"fieldRef": {"fieldPath": path}}} for key, path in fields.items()]
    return {
        "name": name,
        "image": agent.image,
        "imagePullPolicy": agent.image_pull_policy,
        "command": command,
        "env": [*env, *agent_choices.environment(chosen)],
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def _volumes(agent: AgentSettings) -> list[Manifest]:
    state = agent.state_directory
    return [
        {"name": "cgroup", "hostPath": {"path": "/sys/fs/cgroup", "type": "Directory"}},
        {"name": "state", "hostPath": {"path": state, "type": "DirectoryOrCreate"}},
        {"name": "runtime", "hostPath": {"path": _RUNTIME, "type": "DirectoryOrCreate"}},
        {"name": "inbox", "hostPath": {"path": f"{state}/inbox", "type": "DirectoryOrCreate"}},
        {"name": "outbox", "hostPath": {"path": f"{state}/outbox", "type": "DirectoryOrCreate"}},
        {"name": "token", "projected": {"sources": _token_sources()}},
    ]


def _token_sources() -> list[Manifest]:
    """What kubelet would mount into every container, here into sync alone: the guard must not have a token."""
    namespace = {"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}
    return [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": _TOKEN_SECONDS}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [namespace]}},
    ]
