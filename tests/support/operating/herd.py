"""Thousands of nodes that are objects alone: Node, the agent's pod and its OOMNode, as the API server has them."""

import asyncio
import json
import ssl
from base64 import b64decode
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp

from oompolicy_api.labels import AGENT_LABEL
from operating.process import AGENTS

__all__ = ["Herd", "herd"]

PARALLEL = 32
"""Requests at a time: enough to keep an API server on two cores busy."""
NODES, PODS = "/api/v1/nodes", f"/api/v1/namespaces/{AGENTS}/pods"
OOMNODES = "/apis/oompolicy.dev/v1alpha1/oomnodes"

Object = dict[str, Any]


@asynccontextmanager
async def herd(kubeconfig: Path, count: int, pools: int) -> AsyncIterator["Herd"]:
    """A herd of `count` nodes that is written with the rights of `kubeconfig`."""
    config = json.loads(kubeconfig.read_text())  # noqa: ASYNC240 - nothing else runs yet
    connector = aiohttp.TCPConnector(ssl=_trust(config), limit=PARALLEL)
    server = config["clusters"][0]["cluster"]["server"]
    async with aiohttp.ClientSession(server, connector=connector, raise_for_status=True) as session:
        yield Herd(session, count, pools)


class Herd:
    """Writes for all its nodes; number i has the label `pool` of i modulo `pools`."""

    def __init__(self, session: aiohttp.ClientSession, count: int, pools: int) -> None:
        self._session = session
        self._count = count
        self._pools = pools
        self._pods: dict[int, str] = {}
        """The uid of each node's agent pod."""

    async def create(self) -> None:
        """Makes the nodes, each with a Ready agent pod and an OOMNode that says nothing yet."""
        await self._for_each(self._create)

    async def report(self, policies: Callable[[int], Sequence[Object]]) -> None:
        """Has all agents report at once what `policies` says for their pool: name, uid, generation and mode of each."""
        await self._for_each(lambda number: self._report(number, policies(number % self._pools)))

    async def _create(self, number: int) -> None:
        name = f"node-{number:05}"
        labels = {"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64", "kubernetes.io/hostname": name}
        await self._post(NODES, {"metadata": {"name": name, "labels": labels | {"pool": str(number % self._pools)}}})
        await self._post(
            OOMNODES, {"apiVersion": "oompolicy.dev/v1alpha1", "kind": "OOMNode", "metadata": {"name": name}}
        )
        agent = {"nodeName": name, "serviceAccountName": "oompolicy-agent", "automountServiceAccountToken": False}
        agent |= {"containers": [{"name": "guard", "image": "none"}]}
        pod = await self._post(PODS, {"metadata": {"name": name, "labels": dict([AGENT_LABEL])}, "spec": agent})
        self._pods[number] = pod["metadata"]["uid"]
        ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        await self._merge(f"{PODS}/{name}/status", {"status": ready})

    async def _report(self, number: int, policies: Sequence[Object]) -> None:
        status = {
            "agentPodUID": self._pods[number],
            "policies": policies,
            "mode": "Enforce",
            "backend": "Userspace",
            "lastReportTime": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "reasons": [{"backend": "KernelHook", "reason": "NoOOMHook", "message": "The kernel has no BPF OOM hook"}],
            "thresholdBytes": 209715200,
            "marginBytes": 8 << 30,
            "targetsMapped": 110,
        }
        await self._merge(f"{OOMNODES}/node-{number:05}/status", {"status": status})

    async def _for_each(self, work: Callable[[int], Coroutine[Any, Any, None]]) -> None:
        numbers = iter(range(self._count))

        async def worker() -> None:
            for number in numbers:
                await work(number)

        async with asyncio.TaskGroup() as group:
            for _ in range(PARALLEL):
                group.create_task(worker())

    async def _post(self, path: str, body: Object) -> Object:
        async with self._session.post(path, json=body) as answer:
            found: Object = await answer.json()
            return found

    async def _merge(self, path: str, body: Object) -> None:
        headers = {"Content-Type": "application/merge-patch+json"}
        async with self._session.patch(path, json=body, headers=headers) as answer:
            await answer.read()


def _trust(config: Object) -> ssl.SSLContext:
    """What the kubeconfig says of the server's certificate and ours."""
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    context = ssl.create_default_context(cadata=b64decode(cluster["certificate-authority-data"]).decode())
    with TemporaryDirectory() as folder:
        certificate, key = Path(folder, "certificate"), Path(folder, "key")
        certificate.write_bytes(b64decode(user["client-certificate-data"]))
        key.write_bytes(b64decode(user["client-key-data"]))
        context.load_cert_chain(certificate, key)
    return context
