"""What a node goes through: no API server, everything that runs pods restarted, a reboot."""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest

from demo import story
from lab.images import WORKLOAD
from operating.installed import AGENTS, BACKEND, STATE, Installed

pytestmark = pytest.mark.node

OUTAGE_SECONDS = int(os.environ.get("OOMPOLICY_OUTAGE_SECONDS", "20"))
"""How long the API server is away; more, to see that time makes no difference."""

WAITS = "until [ -e /tmp/go ]; do sleep 0.2; done; exec /workload grow --mebibytes-per-second=40"


def pod(name: str, app: str, **container: object) -> dict[str, Any]:
    """A pod of the workload's image that the demo's policy knows by the label."""
    main = {"name": "main", "image": WORKLOAD, "imagePullPolicy": "Never"} | container
    metadata = {"name": name, "labels": {"app": app}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata} | {
        "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "containers": [main]}
    }


class Shortage:
    """A hog that waits for its moment beside the pod that must die before it does."""

    def __init__(self, product: Installed, name: str) -> None:
        self._product = product
        self.victim, self.hog = f"{name}-batch", f"{name}-hog"
        pods = [
            pod(self.victim, "batch", args=["hold", "--mebibytes=250"]),
            pod(self.hog, "hog", command=["sh", "-c", WAITS]),
        ]
        product.control_plane.kubectl(
            "apply", "-f", "-", input=json.dumps({"kind": "List", "apiVersion": "v1", "items": pods})
        )
        for each in (self.victim, self.hog):
            product.control_plane.kubectl("wait", "--for=condition=Ready", f"pod/{each}", "--timeout=120s")
            story.wait_until("its container is told of", lambda each=each: product.containers(each))  # type: ignore[misc]

    def begin(self) -> None:
        """Lets the hog grow; asks nobody but the node."""
        container = self._product.containers(self.hog)["main"]
        script = 'touch "/proc/$(head -n 1 $(find /sys/fs/cgroup/kubepods -name "$1")/cgroup.procs)/root/tmp/go"'
        self._product.node.run(["sh", "-c", script, "sh", container])

    def victims(self) -> list[str]:
        """Which of the two the guard has killed so far, in its order."""
        pods = [record["victim"]["pod"] for record in self._product.ending.decisions() if record["victim"]]
        return [name for name in pods if name in {self.victim, self.hog}]

    def wait_for_the_end(self) -> None:
        """Returns once both are dead, and recorded in the right order."""
        story.wait_until("the hog is dead, too", lambda: self.hog in self.victims())
        assert self.victims() == [self.victim, self.hog]


@contextmanager
def away(product: Installed) -> Iterator[None]:
    """Nobody reaches the API server."""
    product.control_plane.stop_api_server()
    try:
        yield
    finally:
        product.control_plane.start_api_server()


def has_event(product: Installed, name: str) -> bool:
    """Whether the pod was told why it died."""
    selector = f"--field-selector=reason=OOMPolicyVictim,involvedObject.name={name}"
    return bool(product.control_plane.kubectl("get", "events", selector, "-o", "name"))


def test_without_the_api_server_and_after_a_restart_of_what_runs_pods_the_right_one_dies(product: Installed) -> None:
    shortage, agents = Shortage(product, "away"), product.agents()
    with away(product):
        for name in ("kubelet", "containerd"):
            product.node.services[name].signal(signal.SIGKILL)
            product.node.services[name].wait(timeout=30)
        for name in ("containerd", "kubelet"):
            product.node.start_service(name)
        before = product.node.run(["cat", f"{STATE}/inbox/targets.json"]).stdout
        time.sleep(OUTAGE_SECONDS)
        assert product.node.run(["cat", f"{STATE}/inbox/targets.json"]).stdout == before
        shortage.begin()
        shortage.wait_for_the_end()
    for name in (shortage.victim, shortage.hog):
        story.wait_until("it is told why it died", lambda name=name: has_event(product, name))  # type: ignore[misc]
    product.control_plane.kubectl("wait", "--for=condition=Ready", "oomp/demo", "--timeout=120s")
    assert product.agents() == agents
    print(f"the API server was away for {OUTAGE_SECONDS} s before the shortage")


def test_a_rebooted_node_is_protected_seconds_after_its_agent_has_started(product: Installed) -> None:
    product.run_workloads()
    before = product.guard_status()["bootId"]
    start = time.monotonic()
    product.node.reboot()
    ready = time.monotonic()
    story.wait_until("the guard works", lambda: is_at_work(product, before))
    protected = time.monotonic()
    (agent,) = json.loads(product.control_plane.kubectl("-n", AGENTS, "get", "pods", "-o", "json"))["items"]
    containers = {each["name"]: each for each in agent["status"]["containerStatuses"]}
    started = datetime.fromisoformat(containers["guard"]["state"]["running"]["startedAt"])
    log = product.control_plane.kubectl("-n", AGENTS, "logs", agent["metadata"]["name"], "-c", "guard")
    backend = next(line for line in map(json.loads, log.splitlines()) if line["message"] == f"Backend is {BACKEND}")
    seconds = (datetime.fromisoformat(backend["timestamp"]) - started).total_seconds()
    print(f"node Ready {ready - start:.0f} s after the power went, its guard at work {protected - ready:.0f} s later,")
    print(f"{seconds:.1f} s (the start is known to the second) after the guard's container had started")
    assert product.adjusted()
    shortage = Shortage(product, "rebooted")
    shortage.begin()
    shortage.wait_for_the_end()


def is_at_work(product: Installed, boot_before: str) -> bool:
    """Whether a guard has reported in another boot, and applies the policy."""
    status = product.guard_status()
    return bool(status["bootId"] != boot_before and status["backend"] == BACKEND)
