"""What the agents' two containers may do on a node, and why. Neither a policy nor a value of the chart can widen it."""

from typing import Any, Final

__all__ = ["AGENT_GROUP", "GUARD", "GUARD_CAPABILITIES", "POD", "SYNC"]

AGENT_GROUP: Final = 65532
"""sync's user and group, and the guard's group: the guard lets this group write its inbox."""

GUARD_CAPABILITIES: Final = {
    "KILL": "signals processes of every user",
    "DAC_OVERRIDE": "writes oom_score_adj of processes that belong to other users",
    "SYS_PTRACE": "reads other users' processes in /proc, and the host's files through /proc/1/root",
    "SYS_RESOURCE": "lowers oom_score_adj, and arms pressure triggers with windows shorter than two seconds",
    "IPC_LOCK": "keeps itself in memory while others are being reclaimed",
    "BPF": "loads the program that chooses in the kernel, and runs it",
    "PERFMON": "lets that program read the kernel's memory cgroups",
}
"""Each capability of the guard with its reason."""

POD: Final[dict[str, Any]] = {"seccompProfile": {"type": "RuntimeDefault"}}
"""For both containers."""

GUARD: Final[dict[str, Any]] = {
    "runAsUser": 0,
    "runAsGroup": AGENT_GROUP,
    "privileged": False,
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"], "add": list(GUARD_CAPABILITIES)},
    # the runtime's default profile forbids signals to processes outside of it, which is all of them
    "appArmorProfile": {"type": "Unconfined"},
}
"""The privileged half. It has no token and no Kubernetes client."""

SYNC: Final[dict[str, Any]] = {
    "runAsUser": AGENT_GROUP,
    "runAsGroup": AGENT_GROUP,
    "runAsNonRoot": True,
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
"""The half that speaks with the API server."""
