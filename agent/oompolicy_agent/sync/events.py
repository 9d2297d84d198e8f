"""The Event on a victim: one sentence for the tenant, with its own numbers and nothing about its neighbours."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["REASON", "event_for", "pod_event", "sentence"]

REASON: Final = "OOMPolicyVictim"
"""The reason of every Event of ours; kernel kills have reasons of other programs."""

CONTROLLER = "oompolicy.dev/agent"
MAXIMUM_NAME = 200
MEBIBYTE = 1 << 20
KERNEL = "KernelHook"
"""The backend that is asked by the OOM killer, and not triggered by anything of ours."""

OUTCOMES = {
    "Killed": ("Killed", "{freed} were freed"),
    "Futile": ("Killed", "only {freed} were freed"),
    "GaveUp": ("Tried to kill", "it did not die in time"),
    "WouldKill": ("Would have killed", "nothing was touched, because the policy is in mode Audit"),
    "Interrupted": ("Chose to kill", "the agent was stopped before it saw whether that happened"),
}
"""What was done and how it ended, by outcome; a decision with any other outcome is no Event on a pod."""

TRIGGERS = {
    "MarginExhausted": "{margin} were left, threshold {threshold}",
    "GrowthExhausts": "{margin} were left and use grew by {growth}/s, threshold {threshold}",
    "Stalled": "{margin} were left and processes waited {stall} ms for memory, threshold {threshold}",
    "KubeletWouldEvict": "{margin} were left and kubelet was about to evict, threshold {threshold}",
}


def event_for(decision: Mapping[str, Any], node: str) -> dict[str, Any] | None:
    """The Event for one record of the journal; None when it is about no pod of ours.

    Its name follows from the decision's id, so that the same decision is never published twice.
    """
    victim = decision.get("victim") or {}
    if decision.get("outcome") not in OUTCOMES:
        return None
    if not (victim.get("namespace") and victim.get("pod")):
        return None
    said = {"reason": REASON, "action": "Kill", "message": sentence(decision)}
    return pod_event(_reference(victim), said, node, str(decision["time"]), once=f"{node}/{decision['id']}")


def pod_event(pod: Mapping[str, str], said: Mapping[str, str], node: str, time: str, *, once: str) -> dict[str, Any]:
    """A core/v1 Event of type Warning.

    Args:
        pod: the reference to it.
        said: `reason`, `action` and `message`.
        node: where it happened.
        time: RFC 3339, in UTC.
        once: what tells this Event from others on the same pod; its name follows from it.
    """
    seconds = f"{time[:19]}Z"  # an Event's first and last time have no fractions
    digest = hashlib.sha256(once.encode()).hexdigest()[:16]
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"namespace": pod["namespace"], "name": f"{pod['name'][:MAXIMUM_NAME].rstrip('.-')}.{digest}"},
        "involvedObject": dict(pod),
        "type": "Warning",
        **said,
        "reportingComponent": CONTROLLER,
        "reportingInstance": node,
        "source": {"component": CONTROLLER, "host": node},
        "firstTimestamp": seconds,
        "lastTimestamp": seconds,
        "count": 1,
    }


def _reference(victim: Mapping[str, Any]) -> dict[str, Any]:
    reference = {"apiVersion": "v1", "kind": "Pod", "namespace": victim["namespace"], "name": victim["pod"]}
    if victim.get("podUid"):
        reference["uid"] = victim["podUid"]
    if victim.get("container"):
        reference["fieldPath"] = f"spec.containers{{{victim['container']}}}"
    return reference


def sentence(decision: Mapping[str, Any]) -> str:
    """Why this victim, in one sentence: its priority, its rule, whose shortage, what triggered, what was freed."""
    victim = decision["victim"]
    done, ending = OUTCOMES[decision["outcome"]]
    text = f"{done} {_unit(victim)} ({_standing(decision)}) because {_shortage(decision)}"
    if decision["outcome"] == "Killed" and decision.get("backend") == KERNEL:
        return text  # nobody measured what came back
    return f"{text}; {ending.format(freed=_size(decision.get('freedBytes')))}"


def _unit(victim: Mapping[str, Any]) -> str:
    if victim.get("unit") == "Pod":
        return "the pod"
    container = victim.get("container")
    part = f"container {container}" if container else "a container"
    return f"a process of {part}" if victim.get("unit") == "Process" else part


def _standing(decision: Mapping[str, Any]) -> str:
    victim = decision["victim"]
    policy = (decision.get("policy") or {}).get("name")
    by = f"rule {victim['rule']}" if victim.get("rule") else "default"
    # None: protected, but not against the shortage of its own limit, or beyond its request
    standing = "protected" if victim.get("priority") is None else f"priority {victim['priority']}"
    return f"{standing} by {by}" + (f" of policy {policy}" if policy else "")


def _shortage(decision: Mapping[str, Any]) -> str:
    if decision.get("backend") == KERNEL:
        return f"{_domain(decision)} ran out of memory, and the kernel asked whom to kill"
    trigger = decision.get("trigger") or {}
    reason = str(trigger.get("reason"))
    numbers = TRIGGERS.get(reason, "{margin} were left, threshold {threshold}").format(
        margin=_size(trigger.get("marginBytes")),
        threshold=_size(trigger.get("thresholdBytes")),
        growth=_size(trigger.get("growthBytesPerSecond")),
        stall=trigger.get("stallMilliseconds"),
    )
    return f"{_domain(decision)} ran out of memory: {numbers} ({reason})"


def _domain(decision: Mapping[str, Any]) -> str:
    """Whose shortage it was. A domain below all pods is the victim's own: a victim is inside its domain."""
    domain = str(decision.get("domain"))
    if domain == "/":
        return "the node"
    return (
        "this pod"
        if str(decision["victim"].get("podUid")).replace("-", "_") in domain.replace("-", "_")
        else "the node's share for pods"
    )


def _size(size: int | None) -> str:
    """In MiB; a margin can be negative."""
    return "an unknown amount" if size is None else f"{size / MEBIBYTE:.0f} MiB"
