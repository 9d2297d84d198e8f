"""The real sync process for a node that exists only in the API server; a test plays its guard."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

from lab.control_plane import ControlPlane
from lab.daemon import Daemon, wait_for

__all__ = ["Agent"]

POD_UID = "9d0e0000-0000-4000-8000-000000000000"
PATIENCE_SECONDS = 60


class Agent:
    """A sync process for a node of its own, and the folder that it shares with its guard."""

    def __init__(self, control_plane: ControlPlane, namespace: str, folder: Path) -> None:
        self.node = f"node-{uuid4().hex[:8]}"
        self.namespace = namespace
        self.inbox, self.outbox = folder / "inbox", folder / "outbox"
        self._control_plane = control_plane
        self._log = folder / "sync.log"
        for made_by_guard in (self.inbox, self.outbox):
            made_by_guard.mkdir()

    def start(self, *options: str) -> None:
        """Starts sync with more options, again after a stop()."""
        command = [sys.executable, "-m", "oompolicy_agent.sync", f"--state-directory={self.inbox.parent}"]
        command += [f"--node={self.node}", f"--pod-uid={POD_UID}", f"--kubeconfig={self._control_plane.kubeconfig}"]
        self._daemon = Daemon([*command, *options], self._log)

    def stop(self) -> None:
        """Ends sync."""
        self._daemon.stop()

    def log(self) -> list[dict[str, Any]]:
        """What sync has said."""
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    def wait_until(self, what: str, holds: Callable[[], bool]) -> None:
        """Waits for `holds()`; the error has the end of sync's log."""
        wait_for(what, holds, daemon=self._daemon, patience_seconds=PATIENCE_SECONDS)

    def targets(self) -> dict[str, Any]:
        """What sync tells the guard; empty before it does."""
        path = self.inbox / "targets.json"
        return dict(json.loads(path.read_text())) if path.exists() else {}

    def target(self, pod: str) -> dict[str, Any]:
        """What sync tells the guard about one pod; empty when nothing."""
        return next((dict(target) for target in self.targets().get("pods", ()) if target["name"] == pod), {})

    def policy(self) -> str | None:
        """The name of the policy that sync tells the guard to apply."""
        return (self.targets().get("policy") or {}).get("name")

    def report(self, **changes: Any) -> None:  # noqa: ANN401 - any field of the report
        """Writes guard-status.json as the guard does."""
        report: dict[str, Any] = {
            "formatVersion": 1,
            "updatedAt": "2026-11-24T01:53:49.000Z",
            "podUid": POD_UID,
            "policy": {"name": "mixed", "uid": "6f1c", "generation": 3},
            "mode": "Enforce",
            "backend": "Userspace",
            "reasons": [{"backend": "KernelHook", "reason": "NotBuiltIn", "message": "Not built in"}],
            "thresholdBytes": 209715200,
            "marginBytes": 734003200,
            "targetsMapped": 7,
            "kills": 0,
        }
        scratch = self.outbox / "guard-status.json.new"
        scratch.write_text(json.dumps(report | changes))
        scratch.rename(self.outbox / "guard-status.json")

    def decide(self, decision: str, pod: str, pod_uid: str, outcome: str = "Killed", **more: Any) -> None:  # noqa: ANN401
        """Appends the record of one decision as the guard does; `more` are any fields of it."""
        trigger: dict[str, Any] = {"reason": "MarginExhausted", "marginBytes": 94371840, "thresholdBytes": 209715200}
        victim: dict[str, Any] = {
            "unit": "Container",
            "podUid": pod_uid,
            "namespace": self.namespace,
            "pod": pod,
            "container": "main",
        }
        victim |= {"priority": 10, "rule": "batch", "source": "Rule"}
        record: dict[str, Any] = {"formatVersion": 1, "id": decision, "time": "2026-11-24T01:53:49.123Z", "domain": "/"}
        record |= {"policy": {"name": "mixed"}, "trigger": trigger, "victim": victim, "layers": []} | more
        with (self.outbox / "decisions.jsonl").open("a") as journal:
            journal.write(json.dumps(record | {"outcome": outcome, "freedBytes": 260046848}) + "\n")
