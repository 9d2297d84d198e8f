"""The operator with thousands of nodes: how soon a changed policy is rolled up, in what memory, by what writes.

The API server, etcd and the operator are real; nodes, agents' pods and their reports are objects that are written here.
One policy enforces on every node, the others audit a pool each, so that every report concerns two policies.
"""

import argparse
import asyncio
import json
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from demo.story import wait_until
from lab.control_plane import ControlPlane
from operating.herd import Herd, herd
from operating.process import Operator, helm

__all__ = ["main"]

PATIENCE_SECONDS = 600.0
WIDE = "all-nodes"

Object = dict[str, Any]


def main(words: Sequence[str]) -> None:
    """Prints a line for each step."""
    parser = argparse.ArgumentParser(prog="python -m bench cluster", description=__doc__)
    parser.add_argument("--nodes", type=int, default=5000)
    parser.add_argument("--policies", type=int, default=100)
    options = parser.parse_args(words)
    with TemporaryDirectory() as folder, ControlPlane(components=False) as control_plane:
        helm(control_plane, "install")
        control_plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        operator = Operator(control_plane, Path(folder))
        try:
            asyncio.run(_Measurement(control_plane, operator, options.policies - 1).run(options.nodes))
        finally:
            operator.stop()


class _Measurement:
    """All steps."""

    def __init__(self, control_plane: ControlPlane, operator: Operator, pools: int) -> None:
        self._control_plane = control_plane
        self._operator = operator
        self._pools = pools

    async def run(self, nodes: int) -> None:
        """Writes the cluster, starts the operator in it, and changes the policy that acts on every node."""
        for pool in range(self._pools):
            self._apply(f"pool-{pool}", mode="Audit", nodeSelector={"matchLabels": {"pool": str(pool)}})
        self._apply(WIDE)
        async with herd(self._control_plane.kubeconfig, nodes, self._pools) as cattle:
            await self._timed(f"wrote {nodes} nodes", cattle.create)
            await cattle.report(self._policies().__getitem__)
            await self._timed("operator started, all policies Ready", self._start)
            for change in ("first", "second"):
                await self._change(cattle, change)

    async def _start(self) -> None:
        await asyncio.to_thread(self._operator.start)
        await asyncio.to_thread(
            wait_until, "all policies are Ready", self._all_are_ready, PATIENCE_SECONDS, pause_seconds=0.5
        )

    async def _change(self, cattle: Herd, which: str) -> None:
        before = self._writes()
        start = time.monotonic()
        self._apply(WIDE, defaultPriority=int(start))
        await cattle.report(self._policies().__getitem__)
        reported = time.monotonic()
        await asyncio.to_thread(
            wait_until, "all policies are Ready", self._all_are_ready, PATIENCE_SECONDS, pause_seconds=0.5
        )
        end = time.monotonic()
        print(
            f"{which} change: every node had reported it after {reported - start:.1f} s, rolled up after "
            f"{end - start:.1f} s; {self._writes() - before} writes of statuses; {self._memory()}",
            flush=True,
        )

    async def _timed(self, what: str, work: Callable[[], Any]) -> None:
        start = time.monotonic()
        await work()
        print(f"{what}: {time.monotonic() - start:.1f} s; {self._memory()}", flush=True)

    def _apply(self, name: str, **spec: object) -> None:
        head = {"apiVersion": "oompolicy.dev/v1alpha1", "kind": "OOMPolicy", "metadata": {"name": name}}
        self._control_plane.apply(json.dumps(head | {"spec": spec}))

    def _policies(self) -> list[list[Object]]:
        """For each pool, the policies in force as its agents report them."""
        listed = json.loads(self._control_plane.kubectl("get", "oomp", "-o", "json"))["items"]
        known = {
            each["metadata"]["name"]: {key: each["metadata"][key] for key in ("name", "uid", "generation")}
            | {"mode": each["spec"].get("mode", "Enforce")}
            for each in listed
        }
        return [[known[WIDE], known[f"pool-{pool}"]] for pool in range(self._pools)]

    def _all_are_ready(self) -> bool:
        for each in json.loads(self._control_plane.kubectl("get", "oomp", "-o", "json"))["items"]:
            status = each.get("status", {})
            ready = any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions", ()))
            if not ready or status["observedGeneration"] != each["metadata"]["generation"]:
                return False
        return True

    def _writes(self) -> int:
        """Writes of policies' statuses that the API server has answered."""
        text = self._control_plane.kubectl("get", "--raw", "/metrics")
        lines = re.findall(r"^apiserver_request_total\{([^}]*)\} (\S+)$", text, re.MULTILINE)
        return sum(
            int(float(count))
            for labels, count in lines
            if 'resource="oompolicies"' in labels and 'subresource="status"' in labels
        )

    def _memory(self) -> str:
        if not self._operator.process:
            return "no operator yet"
        status = Path(f"/proc/{self._operator.process.process.pid}/status").read_text()
        now, most = (int(re.findall(rf"{name}:\s+(\d+)", status)[0]) / 1024 for name in ("VmRSS", "VmHWM"))
        return f"operator {now:.0f} MiB, at most {most:.0f}"
