"""A node in a virtual machine without Kubernetes: kubelet's cgroup tree, workloads in it, and a guard beside it."""

import json
import re
import shlex
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from journal_text import records
from kubelet_tree import BRANCHES, CGROUPS, Pod, targets_document
from lab.guest_process import GuestProcess
from lab.vm import VM, WORKLOAD

__all__ = ["CGROUPS", "GENEROUS", "INTENTS", "STATE", "TARGETS", "Guard", "Pod", "Scene"]

STATE = "/var/lib/oompolicy"
TARGETS = f"{STATE}/inbox/targets.json"
RUNTIME = "/run/oompolicy"
INTENTS = f"{RUNTIME}/intents"
"""The ring that a decision is in until the journal has it."""
GENEROUS = 120
"""Seconds: the machine is emulated and shared; nothing here should take a tenth of it."""


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
        self.pods = []
        self.add(*pods)

    def add(self, *pods: Pod) -> None:
        """Makes these pods too."""
        self.pods += pods
        lines = [f"mkdir -p {CGROUPS}/guard"]
        for path in (*BRANCHES, *(pod.path for pod in pods)):
            lines += [f"mkdir -p {CGROUPS}{path}", f"echo '+memory +pids' > {CGROUPS}{path}/cgroup.subtree_control"]
        for pod in pods:
            lines += [f"mkdir {CGROUPS}{path}" for path in pod.paths[1:]]
            for path, content in pod.bundles.items():
                lines += [f"mkdir -p {path.rpartition('/')[0]}", f"echo {shlex.quote(content)} > {path}"]
        self.vm.run(["sh", "-ec", "\n".join(lines)])
        for pod in pods:
            self.start(pod.sandbox_path, ["sleep", "infinity"])

    def tell(self, *, hard_eviction: int | None = None, **policy: object) -> None:
        """Writes targets.json for all pods that are known, as sync would; `policy` changes single fields of it."""
        self.write_targets(targets_document(self.pods, hard_eviction, **policy))

    def write_targets(self, text: str) -> None:
        """Puts any text in the place of targets.json."""
        script = 'mkdir -p "${2%/*}" && printf %s "$1" > "$2.new" && mv "$2.new" "$2"'
        self.vm.run(["sh", "-ec", script, "targets", text, TARGETS])

    def start(self, path: str, argv: Sequence[str], *, oom_score_adj: int = 0) -> GuestProcess:
        """Starts a command inside a memcg."""
        join = f"echo $$ > {CGROUPS}{path}/cgroup.procs; echo {oom_score_adj} > /proc/self/oom_score_adj"
        process = self.vm.start(["sh", "-c", f"{join}; exec {shlex.join(argv)}"])
        self.running.append(process)
        return process

    def hold(self, pod: Pod, mebibytes: int, *, touch: bool = False) -> GuestProcess:
        """A workload that holds memory; returns once it does."""
        process = self.work(pod, "hold", "--mebibytes", str(mebibytes), *(["--touch"] if touch else []))
        process.wait_for(f"holding {mebibytes} MiB", GENEROUS)
        return process

    def fill(self, pod: Pod, mebibytes: int, *, per_second: int = 40) -> GuestProcess:
        """As `hold`, but slowly, so that nobody takes it for growth that would exhaust the node."""
        process = self.work(pod, "grow", "--mebibytes-per-second", str(per_second), "--up-to", str(mebibytes))
        process.wait_for("no more", GENEROUS)
        return process

    def grow(self, pod: Pod, mebibytes_per_second: int = 0) -> GuestProcess:
        """A workload that takes ever more; 0: as fast as it can. Returns once it has begun."""
        process = self.work(pod, "grow", "--mebibytes-per-second", str(mebibytes_per_second))
        process.wait_for("holding", GENEROUS)
        return process

    def work(self, pod: Pod, *arguments: str) -> GuestProcess:
        """A workload in the pod's first container; the arguments are those of tests/workload/workload.c."""
        return self.start(pod.container_path, [WORKLOAD, *arguments], oom_score_adj=pod.oom_score_adj)

    def guard(self, *options: str, prefix: Sequence[str] = (), env: Mapping[str, str] | None = None) -> Guard:
        """Starts a guard in a memcg of the host; returns once it guards."""
        argv = [*prefix, "python3", "-m", "oompolicy_agent.guard", "run", "--state-directory", STATE, *options]
        command = f"echo $$ > {CGROUPS}/guard/cgroup.procs; exec {shlex.join(argv)}"
        process = self.vm.start(["sh", "-c", command], env=dict(env or {}))
        self.running.append(process)
        self.guards.append(Guard(self.vm, process))
        process.wait_for("Backend is", GENEROUS)
        return self.guards[-1]

    def journal(self) -> list[dict[str, Any]]:
        """All records, oldest first; none before the first decision."""
        found = self.vm.run(["cat", f"{STATE}/outbox/decisions.jsonl"], check=False).stdout
        return records(found)

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
            assert time.monotonic() < end, f"not within {seconds:g} s: {what}\n{self._last_words()}"

    def _last_words(self) -> str:
        """The guard's status and last records, for whoever wonders."""
        command = f"cd {STATE}/outbox; cat guard-status.json; tail -n 5 decisions.jsonl"
        return self.vm.run(["sh", "-c", command], check=False).stdout

    def sandboxes_alive(self) -> list[str]:
        """Names of the pods whose sandbox lives."""
        files = [f"{CGROUPS}{pod.sandbox_path}/cgroup.procs" for pod in self.pods]
        alive = self.vm.run(["grep", "-l", ".", *files], check=False).stdout.split()
        return [pod.name for pod, file in zip(self.pods, files, strict=True) if file in alive]

    def counter(self, path: str, name: str) -> int:
        """One number from a file of lines `name number`."""
        found = re.search(rf"^{name}:? +(\d+)", self.vm.read(path), re.MULTILINE)
        assert found, f"{path} has no {name}"
        return int(found[1])

    def available(self) -> int:
        """MemAvailable, in MiB."""
        return self.counter("/proc/meminfo", "MemAvailable") // 1024

    def take_all_but(self, mebibytes: int, pod: Pod) -> GuestProcess:
        """A workload that leaves so much available on the node."""
        return self.hold(pod, self.available() - mebibytes)

    def clear(self) -> None:
        """Ends everything and takes the tree down; prints what all said, for whoever looks into a failure."""
        for process in self.running:
            print(process.returncode, process.argv[-1][-200:], process.stdout[-200:], process.stderr[-2000:], sep=" | ")
        for process in self.running:
            if process.returncode is None:
                process.kill()
        for process in self.running:
            process.wait(GENEROUS)
        for guard in self.guards:
            print(guard.process.stdout, guard.process.stderr)
        self.vm.run(["sh", "-c", f"echo 1 > {CGROUPS}/kubepods/cgroup.kill"], check=False)
        self.vm.write("/proc/sys/vm/percpu_pagelist_high_fraction", "0")  # as it was: see `difficult.watchers`
        # The guard's memcg stays: with the last one the kernel switches code for cpusets off, and to patch running code
        # is what QEMU's emulation of several CPUs does not survive every time (int3 in get_page_from_freelist).
        find = f"find {CGROUPS}/kubepods -depth -type d -exec rmdir {{}} + 2>/dev/null"
        gone = f"! test -e {CGROUPS}/kubepods"
        self.wait_until(
            "the tree is gone", lambda: self.vm.run(["sh", "-c", f"{find}; {gone}"], check=False).returncode == 0
        )
        self.vm.run(["rm", "-rf", STATE, RUNTIME, "/run/containerd"])
