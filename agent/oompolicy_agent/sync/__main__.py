"""`oompolicy-sync`: runs beside the guard on each node, unprivileged, and speaks with the API server for it."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog
from kubernetes.aio.config import ConfigException
from structlog.typing import FilteringBoundLogger

from oompolicy_agent.sync.complaints import Complaints
from oompolicy_agent.sync.guard_report import GuardReport
from oompolicy_agent.sync.inspection import Inspector
from oompolicy_agent.sync.journal import Journal
from oompolicy_agent.sync.keeper import Keeper, collections
from oompolicy_agent.sync.kubelet import watch_kubelet
from oompolicy_agent.sync.metrics import Metrics, ReportCollector, serve
from oompolicy_agent.sync.own_numbers import own_numbers
from oompolicy_agent.sync.publisher import Publisher
from oompolicy_agent.sync.reporter import Reporter
from oompolicy_agent.sync.source import ApiError, Source, connect

__all__ = ["main"]

BAD_USAGE = 2
INBOX = "inbox"
LAST_WORD_SECONDS = 4.0
"""The guard goes on for five after its pod was told to end."""
LEVELS = {"Debug": logging.DEBUG, "Info": logging.INFO, "Warning": logging.WARNING, "Error": logging.ERROR}


@dataclass(frozen=True, slots=True)
class Settings:
    """What this process is told at its start; each flag of the command explains one of them."""

    state_directory: Path
    node: str
    pod_uid: str
    kubeconfig: str | None
    log_level: str
    decisions_namespace: str
    namespace: str
    metrics_port: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs until SIGTERM; returns the exit status."""
    settings = _settings(arguments)
    log = _log(settings.log_level).bind(node=settings.node)
    try:
        asyncio.run(_run(settings, log))
    except ConfigException as error:
        log.critical("Could not find the API server; run in a pod or set --kubeconfig", err=str(error))
        return BAD_USAGE
    return 0


async def _run(settings: Settings, log: FilteringBoundLogger) -> None:
    async with connect(settings.kubeconfig) as source:
        keeper = Keeper(source, settings.state_directory / INBOX / "targets.json", settings.node, log)
        work = asyncio.create_task(_work(source, keeper, settings, log))
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, work.cancel)
        log.info("Started sync", podUID=settings.pod_uid, stateDirectory=str(settings.state_directory))
        await asyncio.wait([work])
        if not work.cancelled():
            work.result()  # raises what ended it; nothing ends it but a mistake of ours
        if settings.namespace:
            await _part(source, keeper, settings, log)
        log.info("Stopped sync")


async def _part(source: Source, keeper: Keeper, settings: Settings, log: FilteringBoundLogger) -> None:
    """Has the guard let go if nobody will be there to say so later; a pod that is replaced changes nothing."""
    try:
        async with asyncio.timeout(LAST_WORD_SECONDS):
            keeper.part(await source.policies_with_agents(settings.namespace))
    except (ApiError, TimeoutError) as error:
        log.warning("Could not see whether agents stay, so the targets do", err=str(error) or "timeout")


async def _work(source: Source, keeper: Keeper, settings: Settings, log: FilteringBoundLogger) -> None:
    inbox, outbox = settings.state_directory / INBOX, settings.state_directory / "outbox"
    report = GuardReport(outbox / "guard-status.json", settings.pod_uid)
    journal = Journal(outbox / "decisions.jsonl")
    place = inbox / "published.json"
    metrics = Metrics(os.environ.get("OOMPOLICY_VERSION", "dev"))
    own = partial(own_numbers, keeper, journal, place)
    metrics.registry.register(ReportCollector(report.read, own, metrics.expect))
    _serve(settings.metrics_port, metrics, log)
    publisher = Publisher(
        source,
        report,
        journal,
        position_path=place,
        node=settings.node,
        namespace=settings.decisions_namespace,
        log=log,
        metrics=metrics,
    )
    async with asyncio.TaskGroup() as tasks:
        for collection in collections(settings.node):
            tasks.create_task(keeper.follow(collection))
        tasks.create_task(keeper.run())
        tasks.create_task(Reporter(source, report, keeper, settings.node, log).run())
        tasks.create_task(publisher.run())
        tasks.create_task(Complaints(source, report, keeper, node=settings.node, log=log).run())
        tasks.create_task(Inspector(inbox, outbox, log).run())
        tasks.create_task(watch_kubelet(source, keeper, log))


def _serve(port: int, metrics: Metrics, log: FilteringBoundLogger) -> None:
    try:
        serve(port, metrics.registry)
    except OSError as error:
        log.warning("Could not open the port for metrics, going on without", port=port, err=str(error))


def _settings(arguments: Sequence[str] | None) -> Settings:
    environment = os.environ
    parser = argparse.ArgumentParser(prog="oompolicy-sync", description=__doc__)
    add = parser.add_argument
    add("--state-directory", type=Path, default="/var/lib/oompolicy", help="the files between guard and sync")
    add("--node", default=environment.get("NODE_NAME"), help="this node's name; default: $NODE_NAME")
    add("--pod-uid", default=environment.get("POD_UID", ""), help="this pod's uid; default: $POD_UID")
    add(
        "--decisions-namespace",
        default=environment.get("DECISIONS_NAMESPACE", ""),
        help="where OOMDecisions are created; default: $DECISIONS_NAMESPACE, else nowhere",
    )
    add(
        "--namespace",
        default=environment.get("POD_NAMESPACE", ""),
        help="where the agents' DaemonSets are; default: $POD_NAMESPACE, else nobody asks for them at the end",
    )
    add(
        "--log-level",
        choices=tuple(LEVELS),
        default=environment.get("OOMPOLICY_LOG_LEVEL", "Info"),
        help="the least severe line; default: $OOMPOLICY_LOG_LEVEL, else Info",
    )
    add(
        "--metrics-port",
        type=int,
        default=int(environment.get("METRICS_PORT", "0")),
        help="where /metrics answers; default: $METRICS_PORT, else 0: nowhere",
    )
    add("--kubeconfig", default=environment.get("KUBECONFIG"), help="default: $KUBECONFIG, else the pod's own account")
    options = parser.parse_args(arguments)
    if not options.node:
        parser.error("--node: expected the node's name, here or in $NODE_NAME")
    return Settings(
        options.state_directory,
        options.node,
        options.pod_uid,
        options.kubeconfig,
        log_level=options.log_level,
        decisions_namespace=options.decisions_namespace,
        namespace=options.namespace,
        metrics_port=options.metrics_port,
    )


def _log(level: str) -> FilteringBoundLogger:
    """JSON lines on standard output, with klog's names."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", key="ts"),
            structlog.processors.EventRenamer("msg"),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS.get(level, logging.INFO)),
        logger_factory=structlog.WriteLoggerFactory(sys.stdout),
    )
    logger: FilteringBoundLogger = structlog.get_logger()
    return logger


if __name__ == "__main__":
    sys.exit(main())
