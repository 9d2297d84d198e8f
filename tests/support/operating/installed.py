"""The product on a real node, as tests look at it."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

from demo import story
from demo.installation import manifest
from lab.control_plane import ControlPlane
from lab.node import Node

__all__ = ["AGENTS", "BACKEND", "STATE", "Installed"]

AGENTS = "oompolicy-agents"
BACKEND = "KernelAssist"
"""The best one on the node's stock kernel."""
STATE = "/var/lib/oompolicy"


@dataclass(frozen=True)
class Installed:
    """The policy `demo` and its agents, on one node."""

    control_plane: ControlPlane
    node: Node

    @property
    def ending(self) -> story.Ending:
        """What the demo's story looks at."""
        return story.Ending(self.control_plane, self.node)

    def run_workloads(self) -> None:
        """Starts the demo's pods, but for its hog."""
        self.control_plane.kubectl("apply", "-f", "-", input=manifest("workloads.yaml"))

    def agents(self) -> dict[str, int]:
        """The agent pods by uid, with how often their containers were restarted."""
        pods = json.loads(self.control_plane.kubectl("-n", AGENTS, "get", "pods", "-o", "json"))["items"]
        return {
            pod["metadata"]["uid"]: sum(one["restartCount"] for one in pod["status"].get("containerStatuses", ()))
            for pod in pods
        }

    def change(self, **spec: object) -> int:
        """Changes fields of the policy; returns its new generation."""
        self.control_plane.kubectl("patch", "oomp", "demo", "--type=merge", "-p", json.dumps({"spec": spec}))
        generation = ("-o", "jsonpath={.metadata.generation}")
        return int(self.control_plane.kubectl("get", "oomp", "demo", *generation))

    def guard_status(self) -> dict[str, Any]:
        """What the guard says, on the node."""
        return cast("dict[str, Any]", json.loads(self.node.run(["cat", f"{STATE}/outbox/guard-status.json"]).stdout))

    def targets(self) -> dict[str, dict[str, Any]]:
        """What the guard was told about each pod, by the pod's name."""
        document = json.loads(self.node.run(["cat", f"{STATE}/inbox/targets.json"]).stdout)
        return {pod["name"]: pod for pod in document["pods"]}

    def containers(self, pod: str) -> dict[str, str]:
        """The ids by which the guard knows the pod's containers, by their names."""
        return {each["name"]: each["id"] for each in self.targets().get(pod, {}).get("containers", ())}

    def adjusted(self) -> dict[str, int]:
        """The database's container, by its path, with the oom_score_adj that kubelet gave it, once it has another."""
        uid = self.control_plane.kubectl("-n", "shop", "get", "pod", "shop-db", "-o", "jsonpath={.metadata.uid}")
        story.wait_until("the policy acts", lambda: self.ending.node_status()["backend"] == BACKEND)
        show = ["sh", "-c", "cat /run/oompolicy/adjusted.json 2>/dev/null || echo '{\"containers\": []}'"]
        found: dict[str, int] = {}

        def is_shaped() -> bool:
            containers = json.loads(self.node.run(show).stdout)["containers"]
            found.update((each["path"], each["original"]) for each in containers if uid in each["path"])
            return bool(found)

        story.wait_until("it is shaped", lambda: is_shaped() and self.scores(found) != found)
        return found

    def scores(self, containers: Iterable[str]) -> dict[str, int]:
        """The oom_score_adj of the first process of each."""
        script = 'cat /proc/$(head -n 1 "/sys/fs/cgroup$1/cgroup.procs")/oom_score_adj'
        return {path: int(self.node.run(["sh", "-c", script, "sh", path]).stdout) for path in containers}

    def files(self) -> set[str]:
        """What there is of the agents on the node's disk and in its memory."""
        return set(self.node.run(["find", STATE, "/run/oompolicy", "-type", "f"]).stdout.split())
