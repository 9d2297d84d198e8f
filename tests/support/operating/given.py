"""What a test of the operator writes into the cluster: policies, nodes, and in the agents' name what agents report."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from demo.story import wait_until
from lab.control_plane import ControlPlane
from operating.process import AGENTS, kubeconfig_of

__all__ = ["PATIENCE", "Given"]

Object = dict[str, Any]

PATIENCE_SECONDS = 90.0
PATIENCE = f"--timeout={PATIENCE_SECONDS:g}s"


class Given:
    """Writes what a test says; everything is named `name` and labelled `pool=NAME`."""

    def __init__(self, control_plane: ControlPlane, name: str, folder: Path) -> None:
        self.kubectl = control_plane.kubectl
        self.control_plane = control_plane
        self.name = name
        self._folder = folder

    def policy(self, name: str = "", **spec: object) -> None:
        """A policy for the test's node, with these fields in its spec."""
        selector = {"nodeSelector": {"matchLabels": {"pool": self.name}}}
        self._apply("OOMPolicy", name or self.name, {"spec": selector | spec}, "oompolicy.dev/v1alpha1")

    def node(self) -> None:
        """A node that could run an agent. It never becomes Ready, so that nothing expects its heartbeat."""
        labels = {"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64", "kubernetes.io/hostname": self.name}
        self._apply("Node", self.name, {"metadata": {"name": self.name, "labels": labels | {"pool": self.name}}})
        room = {"cpu": "4", "memory": "8Gi", "pods": "110"}
        self._patch("node", self.name, {"status": {"capacity": room, "allocatable": room}})

    def ready_agent(self) -> str:
        """Has the agent pod, which the DaemonSet's own controller made and the scheduler placed, become Ready."""
        pods = ("-n", AGENTS, "pod", "-l", f"oompolicy.dev/policy={self.name}")
        self.kubectl("wait", "--for=create", *pods, PATIENCE)
        self.kubectl("wait", "--for=condition=PodScheduled", *pods, PATIENCE)
        pod = json.loads(self.kubectl("get", *pods, "-o", "json"))["items"][0]["metadata"]
        ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        self._patch("pod", pod["name"], {"status": ready}, "-n", AGENTS)
        return cast("str", pod["uid"])

    def report(self, agent_pod_uid: str, backend: str = "Userspace", **more: object) -> None:
        """Reports what an agent on the node would when it has applied the policy, in the agent's name."""
        policy = self.stored()["metadata"]
        applied = {
            "name": self.name,
            "uid": policy["uid"],
            "generation": policy["generation"],
            "mode": "Enforce",
        }
        status = {"agentPodUID": agent_pod_uid, "policies": [applied], "mode": "Enforce", "backend": backend} | more
        as_agent = f"--kubeconfig={self.agent_kubeconfig(self.name)}"
        head = {"apiVersion": "oompolicy.dev/v1alpha1", "kind": "OOMNode"}
        node = head | {"metadata": {"name": self.name, "labels": {"pool": self.name}}}
        self.kubectl(as_agent, "apply", "--server-side", "-f", "-", input=json.dumps(node))
        self._patch("oomnode", self.name, {"status": status}, as_agent)

    def agent_kubeconfig(self, node: str = "") -> Path:
        """What an agent on `node` has: a token that is bound to that node; bound to nothing without one."""
        bound = ("--bound-object-kind=Node", f"--bound-object-name={node}") if node else ()
        token = self.kubectl("-n", AGENTS, "create", "token", "oompolicy-agent", *bound)
        return kubeconfig_of(self.control_plane, token, self._folder / f"{node or 'unbound'}.kubeconfig")

    @contextmanager
    def agent_with_every_right(self) -> Iterator[str]:
        """The option by which kubectl is the node's agent, in a cluster where somebody gave agents too much."""
        account = f"--serviceaccount={AGENTS}:oompolicy-agent"
        self.kubectl("create", "clusterrolebinding", self.name, "--clusterrole=cluster-admin", account)
        try:
            yield f"--kubeconfig={self.agent_kubeconfig(self.name)}"
        finally:
            self.kubectl("delete", "clusterrolebinding", self.name)

    def stored(self, name: str = "") -> Object:
        """The policy as it is stored now."""
        return cast("Object", json.loads(self.kubectl("get", "oomp", name or self.name, "-o", "json")))

    def conditions(self, name: str = "") -> dict[str, Object]:
        """The policy's conditions by type."""
        return {each["type"]: each for each in self.stored(name)["status"]["conditions"]}

    def daemon_set(self) -> Object:
        """The policy's DaemonSet as it is stored now."""
        text = self.kubectl("-n", AGENTS, "get", "daemonset", f"oompolicy-{self.name}", "-o", "json")
        return cast("Object", json.loads(text))

    def wait(self, condition: str, what: str = "", *where: str) -> None:
        """Waits as `kubectl wait --for=CONDITION` does, for the policy or for `what`."""
        self.kubectl(*where, "wait", f"--for={condition}", what or f"oomp/{self.name}", PATIENCE)

    def until(self, what: str, is_so: Callable[[], object]) -> None:
        """Asks five times a second until it is so, for what kubectl cannot wait for."""
        wait_until(what, is_so, PATIENCE_SECONDS, pause_seconds=0.2)

    def _apply(self, kind: str, name: str, body: Object, version: str = "v1") -> None:
        metadata = {"name": name, "labels": {"pool": self.name}}
        text = json.dumps({"apiVersion": version, "kind": kind, "metadata": metadata} | body)
        self.kubectl("apply", "--server-side", "-f", "-", input=text)

    def _patch(self, kind: str, name: str, body: Object, *where: str) -> None:
        patch = ("--subresource=status", "--type=merge", "-p", json.dumps(body))
        self.kubectl(*where, "patch", kind, name, *patch)
