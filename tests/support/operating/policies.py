"""Policies for tests of the API: one in which every field says something, and any other."""

import json
from typing import Any

__all__ = ["FULL", "Spec", "policy"]

Spec = dict[str, Any]

FULL: Spec = {
    "nodeSelector": {
        "matchLabels": {"pool": "mixed"},
        "matchExpressions": [
            {"key": "example.com/zone", "operator": "In", "values": ["a", "b"]},
            {"key": "gone", "operator": "DoesNotExist"},
        ],
    },
    "precedence": 10,
    "mode": "Audit",
    "defaultPriority": -5,
    "protectCritical": {"namespaces": ["kube-system", "storage"]},
    "rules": [
        {
            "name": "databases",
            "match": {
                "namespaceSelector": {"matchLabels": {"tier": "data"}},
                "podSelector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]},
                "priorityClassNames": ["gold"],
                "qosClasses": ["Guaranteed", "Burstable"],
            },
            "priority": 900,
            "containers": [{"name": "exporter", "priority": 10}],
            "victim": {"unit": "Pod", "graceMilliseconds": 2000, "then": "Evict"},
        },
        {
            "name": "ledger",
            "match": {"namespaceSelector": {"matchLabels": {"tier": "ledger"}}},
            "protect": {"upTo": "Request"},
        },
        {
            "name": "tenants",
            "match": {},
            "priorityFrom": {"source": "PodPriority", "minimum": -100, "maximum": 800},
            "override": {"minimum": -100, "maximum": 100},
        },
    ],
    "backends": ["KernelHook", "Userspace"],
    "hostCgroups": [{"path": "/system.slice/backup.service", "priority": -50}],
    "victim": {"unit": "Container", "tieBreak": "MostOverRequest", "graceMilliseconds": 0, "then": "Restart"},
    "trigger": {
        "memoryAvailable": "200Mi",
        "pressureFullMilliseconds": 100,
        "windowMilliseconds": 1000,
        "swapFreePercent": 10,
    },
    "budget": {"cooldownSeconds": 5, "maximumKills": 10, "windowSeconds": 300},
    "agent": {
        "resources": {"guard": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"cpu": 1}}},
        "tolerations": [{"operator": "Exists"}],
        "updateStrategy": {"type": "RollingUpdate", "maxSurge": "10%"},
        "logLevel": "Warning",
    },
}


def policy(spec: Spec, name: str = "tried") -> str:
    """An OOMPolicy, as kubectl takes it."""
    kind = {"apiVersion": "oompolicy.dev/v1alpha1", "kind": "OOMPolicy", "metadata": {"name": name}}
    return json.dumps(kind | {"spec": spec})
