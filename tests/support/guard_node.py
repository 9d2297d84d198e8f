"""A whole guard on a host made of files, over two pods whose processes are real."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from guard_host import FakeHost
from oompolicy_agent.guard.log import Log
from oompolicy_agent.guard.loop import Loop
from oompolicy_agent.guard.parts import Parts, assemble, open_folders
from oompolicy_agent.guard.settings import Settings
from oompolicy_agent.guard.takeover import take_over

__all__ = ["POLICY", "SHORT", "Node"]

POLICY = {"name": "mixed", "uid": "6f1c", "generation": 3, "mode": "Enforce", "defaultPriority": 500}
SHORT = 50
"""MiB available of 2000: far below half the threshold and above a quarter."""


class Node:
    """A guard over two pods, `low` and `high`, whose processes sleep."""

    def __init__(self, folder: Path, **budget: float) -> None:
        self.host = FakeHost(folder)
        self.budget = budget
        self.priorities = (("low", 10), ("high", 900))
        self.terminating = ""
        """The pod that has been deleted."""
        self.others: dict[str, Any] = {}
        """More of the file: other policies."""
        self.settings = Settings(
            state_directory=str(self.host.state),
            runtime_directory=str(folder / "run"),
            cgroup_root=str(self.host.cgroups),
            proc=str(self.host.proc),
            host_root=str(self.host.root),
        )
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        for pod in ("low", "high"):
            self.run(pod)
        self.start_guard()

    def run(self, pod: str, current: int = 300) -> None:
        """Starts a pod with one container; `current` in MiB."""
        self.processes[pod] = subprocess.Popen(["sleep", "infinity"])
        self.host.memcg(f"/kubepods/pod{pod}/{pod}-main", current=current, pids=(self.processes[pod].pid,))
        self.host.memcg("/kubepods")
        self.host.memcg(f"/kubepods/pod{pod}", current=current)

    def start_guard(self) -> None:
        """Puts a guard on the host that takes over from the one before."""
        self.parts = self._assemble()
        take_over(self.parts)
        self.loop = Loop(self.parts)

    def _assemble(self) -> Parts:
        wake, _ = os.pipe()
        return assemble(self.settings, Log(), open_folders(self.settings), wake)

    def step(self) -> float:
        """One pass of the guard; what the one before had to write is written by then."""
        self.settle()
        return self.loop.step()

    def settle(self) -> None:
        """Lets what is done beside the loop come to an end."""
        crew = self.parts.means.crew
        for disk in (self.parts.status_disk, self.parts.journal_disk, crew.sweeper, crew.reaper):
            assert disk.wait(10)

    def tell(self, **policy: object) -> None:
        """Writes targets.json, as sync does; `policy` changes fields of the policy."""
        pods = [
            {
                "uid": name,
                "namespace": "shop",
                "name": name,
                "priority": priority,
                "rule": name,
                "source": "Rule",
                "terminating": name == self.terminating,
                "containers": [{"name": "main", "id": f"{name}-main"}],
            }
            for name, priority in self.priorities
        ]
        acting = POLICY | {"budget": self.budget} | policy
        text = json.dumps({"formatVersion": 1, "policy": acting, "pods": pods} | self.others)
        new = self.host.state / "inbox/new"
        new.write_text(text)
        new.replace(self.host.state / "inbox/targets.json")

    def died(self, pod: str) -> bool:
        """Whether it was killed; then its memcg is as the kernel leaves it."""
        try:
            ended = self.processes[pod].wait(0.5)
        except subprocess.TimeoutExpired:
            return False
        assert ended == -signal.SIGKILL
        self.host.memcg(f"/kubepods/pod{pod}/{pod}-main")
        self.host.memcg(f"/kubepods/pod{pod}")
        return True

    def journal(self) -> list[dict[str, Any]]:
        """All records, oldest first."""
        self.settle()
        path = self.host.state / "outbox/decisions.jsonl"
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_text().splitlines()]

    def status(self) -> dict[str, Any]:
        """What the guard says about itself."""
        assert self.parts.status_disk.wait(10)
        status: dict[str, Any] = json.loads((self.host.state / "outbox/guard-status.json").read_text())
        return status
