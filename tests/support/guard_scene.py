"""A node in a virtual machine without Kubernetes: kubelet's cgroup tree, workloads in it, and a guard beside it."""

import json
import shlex
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lab.guest_process import GuestProcess
from lab.vm import PROJECT, VM

__all__ = ["CGROUPS", "GENEROUS", "STATE", "TARGETS", "Guard", "Pod", "Scene"]

CGROUPS = "/sys/fs/cgroup"
STATE = "/var/lib/oompolicy"
TARGETS = f"{STATE}/inbox/targets.json"
WORKLOAD = ("python3", f"{PROJECT}/tests/workload/workload.py")
GENEROUS = 120
"""Seconds: the machine is emulated and shared; nothing here should take a tenth of it."""


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod with one container, and the target that the node is told for it."""

    name: str
    priority: int | None = None
    qos: str = ""
    """Empty for Guaranteed, else `burstable` or `besteffort`."""
    oom_score_adj: int = 0
    request_mebibytes: int = 0
    protect: str | None = None
    unit: str = "Container"
    is_known: bool = True

    @property
    def uid(self) -> str:
        """Looks like a pod's uid and still tells which pod it is."""
        return f"{self.name.encode().hex():0<8.8}-0000-4000-8000-{self.name.encode().hex():0<12.12}"

    @property
    def container_id(self) -> str:
        """Looks like a container's id."""
        return f"{self.name.encode().hex():c<64}"

    @property
    def sandbox_id(self) -> str:
        """Of the pause container beside it."""
        return f"{self.name.encode().hex():5<64}"

    @property
    def path(self) -> str:
        """The pod's memcg."""
        return "/".join(part for part in ("/kubepods", self.qos, f"pod{self.uid}") if part)

    @property
    def target(self) -> dict[str, Any]:
        """The pod's entry in targets.json."""
        request = self.request_mebibytes << 20
        container = {"name": "main", "id": self.container_id, "priority": None, "requestBytes": request}
        return {
            "uid": self.uid,
            "namespace": "shop",
            "name": self.name,
            "priority": self.priority,
            "protect": self.protect,
            "unit": self.unit,
            "rule": self.name,
            "source": "Rule",
            "requestBytes": request,
            "guaranteed": not self.qos,
            "containers": [container],
        }


@dataclass(slots=True)
class Guard:
    """A guard that runs in the machine."""

    vm: VM
    process: GuestProcess

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Its log so far."""
        return [json.loads(line) for line in self.process.stdout.splitlines() if line.endswith("}")]

    def said(self, message: str) -> list[dict[str, Any]]:
        """The lines that begin so."""
        return [line for line in self.lines if line["message"].startswith(message)]

    def stop(self) -> None:
        """Asks it to end, and takes the lock to be free then."""
        self.process.signal(signal.SIGTERM)
        assert self.process.wait(GENEROUS).returncode == 0, self.process.stderr


@dataclass(slots=True)
class Scene:
    """One scene in a machine that others use too: `clear` leaves nothing behind."""

    vm: VM
    pods: list[Pod] = field(default_factory=list)
    running: list[GuestProcess] = field(default_factory=list)
    guards: list[Guard] = field(default_factory=list)

    def build(self, *pods: Pod) -> None:
        """Makes kubelet's tree with these pods, and a sandbox in each."""
        self._make("/guard")
        self.pods = list(pods)
        branches = ["/kubepods", "/kubepods/burstable", "/kubepods/besteffort"]
        for path in (*branches, *(pod.path for pod in pods)):
            self._make(path)
            self.vm.write(f"{CGROUPS}{path}/cgroup.subtree_control", "+memory +pids")
        for pod in pods:
            self._make(f"{pod.path}/{pod.container_id}")
            self._make(f"{pod.path}/{pod.sandbox_id}")
            self._bundle(pod.container_id, "container")
            self._bundle(pod.sandbox_id, "sandbox")
            self.start(f"{pod.path}/{pod.sandbox_id}", ["sleep", "infinity"])

    def tell(self, *, mode: str = "Enforce", generation: int = 1, hard_eviction: int | None = None) -> None:
        """Writes targets.json for all pods that are known, as sync would: by rename."""
        policy = {"name": "mixed", "uid": "6f1c", "generation": generation, "mode": mode, "defaultPriority": 500}
        document = {
            "formatVersion": 1,
            "node": "lab",
            "policy": policy | {"tieBreak": "LargestUsage"},
            "kubeletHardEvictionBytes": hard_eviction,
            "pods": [pod.target for pod in self.pods if pod.is_known],
        }
        self.write_targets(json.dumps(document))

    def write_targets(self, text: str) -> None:
        """Puts any text in the place of targets.json."""
        self.vm.run(["mkdir", "-p", f"{STATE}/inbox"])
        self.vm.write(f"{TARGETS}.new", text)
        self.vm.run(["mv", f"{TARGETS}.new", TARGETS])

    def start(self, path: str, argv: Sequence[str], *, oom_score_adj: int = 0) -> GuestProcess:
        """Starts a command inside a memcg."""
        join = f"echo $$ > {CGROUPS}{path}/cgroup.procs; echo {oom_score_adj} > /proc/self/oom_score_adj"
        process = self.vm.start(["sh", "-c", f"{join}; exec {shlex.join(argv)}"])
        self.running.append(process)
        return process

    def hold(self, pod: Pod, mebibytes: int, *, touch: bool = False) -> GuestProcess:
        """A workload that holds memory; returns once it does."""
        argv = [*WORKLOAD, "hold", "--mebibytes", str(mebibytes), *(["--touch"] if touch else [])]
        process = self.start(f"{pod.path}/{pod.container_id}", _unbuffered(argv), oom_score_adj=pod.oom_score_adj)
        process.wait_for(f"holding {mebibytes} MiB", GENEROUS)
        return process

    def grow(self, pod: Pod, mebibytes_per_second: int) -> GuestProcess:
        """A workload that takes ever more."""
        argv = _unbuffered([*WORKLOAD, "grow", "--mebibytes-per-second", str(mebibytes_per_second)])
        return self.start(f"{pod.path}/{pod.container_id}", argv, oom_score_adj=pod.oom_score_adj)

    def guard(self, *, prefix: Sequence[str] = (), env: Mapping[str, str] | None = None) -> Guard:
        """Starts a guard in a memcg of the host; returns once it guards."""
        argv = [*prefix, "python3", "-m", "oompolicy_agent.guard", "run", "--state-directory", STATE]
        command = f"echo $$ > {CGROUPS}/guard/cgroup.procs; exec {shlex.join(argv)}"
        process = self.vm.start(["sh", "-c", command], env=dict(env or {}))
        self.running.append(process)
        self.guards.append(Guard(self.vm, process))
        process.wait_for("Backend is", GENEROUS)
        return self.guards[-1]

    def journal(self) -> list[dict[str, Any]]:
        """All records, oldest first."""
        return [json.loads(line) for line in self.vm.read(f"{STATE}/outbox/decisions.jsonl").splitlines()]

    def finished(self) -> list[dict[str, Any]]:
        """The records that complete a decision."""
        return [record for record in self.journal() if record["phase"] == "Finished"]

    def status(self) -> dict[str, Any]:
        """What the guard says about itself, once it has."""
        path = f"{STATE}/outbox/guard-status.json"
        self.wait_until("there is a status", lambda: self.vm.run(["test", "-e", path], check=False).returncode == 0)
        status: dict[str, Any] = json.loads(self.vm.read(path))
        return status

    def wait_until(self, what: str, is_so: Callable[[], object], seconds: float = GENEROUS) -> None:
        """Asks until it is so; each question is a command in the machine, which paces it."""
        end = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < end, f"not within {seconds:g} s: {what}"

    def sandboxes_alive(self) -> list[str]:
        """Names of the pods whose sandbox lives."""
        return [pod.name for pod in self.pods if self.vm.read(_procs(pod.path, pod.sandbox_id)).strip()]

    def take_all_but(self, mebibytes: int, pod: Pod) -> GuestProcess:
        """A workload that leaves so much available on the node."""
        available = next(line for line in self.vm.read("/proc/meminfo").splitlines() if line.startswith("MemAvailable"))
        return self.hold(pod, int(available.split()[1]) // 1024 - mebibytes)

    def clear(self) -> None:
        """Ends everything and takes the tree down; prints what guards said, for whoever looks into a failure."""
        for guard in self.guards:
            print(guard.process.stdout, guard.process.stderr)
        for process in self.running:
            if process.returncode is None:
                process.kill()
        for process in self.running:
            process.wait(GENEROUS)
        self.vm.run(["sh", "-c", f"echo 1 > {CGROUPS}/kubepods/cgroup.kill"], check=False)
        # The guard's memcg stays: with the last one the kernel switches code for cpusets off, and to patch running code
        # is what QEMU's emulation of several CPUs does not survive every time (int3 in get_page_from_freelist).
        find = f"find {CGROUPS}/kubepods -depth -type d -exec rmdir {{}} + 2>/dev/null"
        gone = f"! test -e {CGROUPS}/kubepods"
        self.wait_until(
            "the tree is gone", lambda: self.vm.run(["sh", "-c", f"{find}; {gone}"], check=False).returncode == 0
        )
        self.vm.run(["rm", "-rf", STATE, "/run/containerd"])

    def _make(self, path: str) -> None:
        self.vm.run(["mkdir", "-p", f"{CGROUPS}{path}"])

    def _bundle(self, container_id: str, role: str) -> None:
        folder = f"/run/containerd/io.containerd.runtime.v2.task/k8s.io/{container_id}"
        bundle = json.dumps({"ociVersion": "1.2.0", "annotations": {"io.kubernetes.cri.container-type": role}})
        self.vm.run(["mkdir", "-p", folder])
        self.vm.write(f"{folder}/config.json", bundle)


def _procs(*parts: str) -> str:
    return "/".join((CGROUPS.rstrip("/"), *(part.strip("/") for part in parts), "cgroup.procs"))


def _unbuffered(argv: Sequence[str]) -> list[str]:
    return [argv[0], "-u", *argv[1:]]
