"""Plays the demo's story in a cluster that is up, and tells it as it happens."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from demo.followers import Follower
from demo.installation import manifest
from demo.verdict import Outcome, outcome_of, wrong
from journal_text import records
from lab import report
from lab.control_plane import ControlPlane, KubectlError
from lab.node import Node

__all__ = ["Ending", "play", "settled_faults", "start_product", "wait_until"]

PATIENCE_SECONDS = 300.0
"""The longest that any one step may take: emulated nodes on a busy machine are slow."""


class Ending:
    """What there is to see when the story is over: the pods, the guard's journal, the Events, the node's state."""

    def __init__(self, control_plane: ControlPlane, node: Node) -> None:
        self._control_plane = control_plane
        self._node = node

    def outcomes(self) -> list[Outcome]:
        """The three pods of the story."""
        return [outcome_of(pod) for pod in self._items("pods")]

    def decisions(self) -> list[dict[str, Any]]:
        """The guard's decisions, oldest first, from its journal on the node."""
        journal = self._node.run(
            ["sh", "-c", "cat /var/lib/oompolicy/outbox/decisions.jsonl 2>/dev/null || true"]
        ).stdout
        return records(journal)

    def victims_with_events(self) -> list[str]:
        """The pods that carry an Event of ours."""
        return [e["involvedObject"]["name"] for e in self._items("events") if e["reason"] == "OOMPolicyVictim"]

    def node_status(self) -> dict[str, Any]:
        """The OOMNode's status, empty when there is none."""
        items = json.loads(self._control_plane.kubectl("get", "oomnodes", "-o", "json"))["items"]
        return dict(items[0].get("status", {})) if items else {}

    def _items(self, kind: str) -> list[dict[str, Any]]:
        return list(json.loads(self._control_plane.kubectl("-n", "shop", "get", kind, "-o", "json"))["items"])


def start_product(control_plane: ControlPlane) -> None:
    """Applies the demo's policy and waits until every node is ready for it."""
    report.note("$ kubectl apply -f policy.yaml && kubectl wait --for=condition=Ready oomp/demo")
    control_plane.kubectl("apply", "-f", "-", input=manifest("policy.yaml"))
    control_plane.kubectl("wait", "--for=condition=Ready", "oomp/demo", f"--timeout={PATIENCE_SECONDS:.0f}s")


def play(control_plane: ControlPlane, ending: Ending) -> None:
    """Starts the workloads and returns when nothing more is to come: batch and hog are dead and accounted for.

    Raises:
        TimeoutError: hog was still alive after PATIENCE_SECONDS.
    """
    report.note("$ kubectl apply -f workloads.yaml")
    control_plane.kubectl("apply", "-f", "-", input=manifest("workloads.yaml"))
    wait_until("shop-db holds its memory", lambda: _says_holding(control_plane, "shop-db"))
    wait_until("batch holds its memory", lambda: _says_holding(control_plane, "batch"))
    report.note("shop-db and batch hold their memory; hog starts to grow")
    with _told(control_plane):
        control_plane.kubectl("apply", "-f", "-", input=manifest("hog.yaml"))
        wait_until("hog is dead", lambda: _is_dead("hog", ending))


def _says_holding(control_plane: ControlPlane, name: str) -> bool:
    try:
        return "holding" in control_plane.kubectl("-n", "shop", "logs", name)
    except KubectlError:  # its container has not started yet
        return False


def _is_dead(name: str, ending: Ending) -> bool:
    return any(o.name == name and o.died_at for o in ending.outcomes())


def wait_until(
    what: str, holds: Callable[[], object], patience_seconds: float = PATIENCE_SECONDS, *, pause_seconds: float = 1
) -> None:
    """Asks every second, or so, until `holds()`; raises TimeoutError naming `what` after `patience_seconds`."""
    deadline = time.monotonic() + patience_seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"expected within {patience_seconds:.0f} s: {what}")
        time.sleep(pause_seconds)


def settled_faults(ending: Ending) -> list[str]:
    """What differs from the promise once Events and OOMNode had time to follow the kills; empty when nothing does."""

    def faults() -> list[str]:
        return wrong(ending.outcomes(), ending.decisions(), ending.victims_with_events(), ending.node_status())

    with suppress(TimeoutError):
        wait_until("everything as promised", lambda: not faults(), patience_seconds=45)
    return faults()


@contextmanager
def _told(control_plane: ControlPlane) -> Iterator[None]:
    pods = ("-n", "shop", "get", "pods", "--watch", "--no-headers")
    events = (
        "-n",
        "shop",
        "get",
        "events",
        "--watch-only",
        "--field-selector=reason=OOMPolicyVictim",
        "--no-headers",
        "-o",
        "custom-columns=R:.reason,P:.involvedObject.name,M:.message",
    )
    with Follower(control_plane, "pod  ", *pods), Follower(control_plane, "event", *events):
        yield
