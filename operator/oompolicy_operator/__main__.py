"""`oompolicy-operator`: one for each cluster; turns policies into DaemonSets and rolls up what the nodes report."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import kopf

from oompolicy_operator import logs
from oompolicy_operator.api import connect
from oompolicy_operator.checkup import checkup
from oompolicy_operator.cluster import Cluster
from oompolicy_operator.errors import ApiRefusedError, ApiUnavailableError
from oompolicy_operator.handlers import Handlers
from oompolicy_operator.lease import Lease, LeaseLostError, lead
from oompolicy_operator.metrics import Metrics
from oompolicy_operator.retirement import retire
from oompolicy_operator.settings import Settings, SettingsError
from oompolicy_operator.web import serving

__all__ = ["main"]

FAILED = 1
BAD_USAGE = 2
RETIRE_SECONDS = 150.0
"""Half of what helm waits for a hook."""
CONFIG = "/etc/oompolicy/operator.yaml"

logger = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs until SIGTERM; returns the exit status."""
    options = _options(arguments)
    try:
        settings = Settings.load(options.config)
    except SettingsError as error:
        print(f"oompolicy-operator: {error}", file=sys.stderr)  # noqa: T201 - there is no log before its settings
        return BAD_USAGE
    logs.configure(settings.log_level)
    work = {"retire": _retire, "check": _check, None: _run}[options.command]
    try:
        return asyncio.run(work(settings))
    except (LeaseLostError, ApiRefusedError, ApiUnavailableError) as error:
        logger.error("Stopped", extra={"err": str(error)})  # noqa: TRY400 - one line, not a traceback
        return FAILED


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="oompolicy-operator", description=__doc__)
    parser.add_argument("--config", type=Path, default=CONFIG, help=f"its settings, YAML; default: {CONFIG}")
    commands = parser.add_subparsers(dest="command", metavar="retire|check")
    commands.add_parser("retire", help="stop the operator, remove all agents, and end; for an uninstallation")
    commands.add_parser("check", help="say whether the installation works; exit status 1 if not")
    return parser.parse_args(arguments)


async def _retire(settings: Settings) -> int:
    """Agents that do not go, on a node that is off for example, are no reason to keep the chart."""
    async with connect() as api:
        await retire(
            Cluster(api),
            operator_namespace=settings.decisions.namespace,
            agents_namespace=settings.agent.namespace,
            seconds=RETIRE_SECONDS,
        )
    return 0


async def _check(settings: Settings) -> int:
    async with connect() as api:
        findings = [each async for each in checkup(Cluster(api), settings.decisions.namespace)]
    for each in findings:
        print(f"{'ok' if each.holds else 'FAILED'}: {each.what}{'' if each.holds else f'; {each.advice}'}")  # noqa: T201
    return 0 if all(each.holds for each in findings) else FAILED


async def _run(settings: Settings) -> int:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    metrics = Metrics(os.environ.get("OOMPOLICY_VERSION", "dev"))
    async with connect() as api:
        operator = _Operator(Cluster(api), settings, metrics, stopping)
        async with serving(settings.health_port, operator.why_not_ready, metrics.registry):
            await operator.run()
    logger.info("Stopped operator")
    return 0


class _Operator:
    """The operator, from waiting for its turn to the end of its work."""

    def __init__(self, cluster: Cluster, settings: Settings, metrics: Metrics, stopping: asyncio.Event) -> None:
        self._cluster = cluster
        self._settings = settings
        self._metrics = metrics
        self._stopping = stopping
        self._handlers = Handlers(cluster, settings, metrics)
        self._holder = "nobody"

    def why_not_ready(self) -> str:
        """A sentence; empty when it works."""
        if self._holder:
            return f"waits for the Lease, which {self._holder} holds"
        return "" if self._handlers.is_at_work else "waits for the CRDs"

    async def run(self) -> None:
        """Waits for its turn and works until it is told to stop."""
        await lead(Lease(self._cluster, self._held_by), self._stopping, self._work)

    def _held_by(self, holder: str) -> None:
        if holder != self._holder and holder:
            logger.info("Waits for Lease", extra={"holder": holder})
        self._holder = holder
        self._metrics.leading.set(not holder)

    async def _work(self) -> None:
        agent = self._settings.agent
        logger.info("Started operator", extra={"agentImage": agent.image})
        await kopf.operator(
            registry=self._handlers.registry(),
            settings=_kopf_settings(),
            standalone=True,  # the Lease says who works; peering would need a CRD of its own and is no lock
            clusterwide=True,
            stop_flag=self._stopping,
        )


def _kopf_settings() -> kopf.OperatorSettings:
    chosen = kopf.OperatorSettings()
    chosen.scanning.disabled = True  # we wait for our CRDs at start, and need no right to list all CRDs
    chosen.posting.enabled = False  # cluster.py says why we post Events ourselves
    chosen.process.ultimate_exiting_timeout = 20  # before the kubelet loses its patience
    return chosen


if __name__ == "__main__":
    sys.exit(main())
