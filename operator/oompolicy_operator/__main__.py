"""`oompolicy-operator`: one for each cluster; turns policies into DaemonSets and rolls up what the nodes report."""

import argparse
import asyncio
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import kopf

from oompolicy_operator import logs
from oompolicy_operator.cluster import connect
from oompolicy_operator.handlers import Handlers
from oompolicy_operator.settings import Settings, SettingsError

__all__ = ["main"]

BAD_USAGE = 2
CONFIG = "/etc/oompolicy/operator.yaml"

logger = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs until SIGTERM; returns the exit status."""
    parser = argparse.ArgumentParser(prog="oompolicy-operator", description=__doc__)
    parser.add_argument("--config", type=Path, default=CONFIG, help=f"its settings, YAML; default: {CONFIG}")
    try:
        settings = Settings.load(parser.parse_args(arguments).config)
    except SettingsError as error:
        print(f"oompolicy-operator: {error}", file=sys.stderr)  # noqa: T201 - there is no log before its settings
        return BAD_USAGE
    logs.configure(settings.log_level)
    asyncio.run(_run(settings))
    return 0


async def _run(settings: Settings) -> None:
    async with connect() as cluster:
        logger.info("Started operator", extra={"agentImage": settings.agent.image})
        await kopf.operator(
            registry=Handlers(cluster, settings).registry(),
            settings=_kopf_settings(),
            standalone=True,  # the Deployment runs one; peering would need a CRD of its own and is no lock
            namespaces=sorted({settings.agent.namespace, settings.decisions.namespace} - {""}),
            liveness_endpoint=f"http://0.0.0.0:{settings.health_port}/healthz" if settings.health_port else None,
        )
        logger.info("Stopped operator")


def _kopf_settings() -> kopf.OperatorSettings:
    chosen = kopf.OperatorSettings()
    chosen.scanning.disabled = True  # we wait for our CRDs at start, and need no right to list all CRDs
    chosen.posting.enabled = False  # cluster.py says why we post Events ourselves
    chosen.watching.chunk_size = 500  # nodes are large objects
    chosen.process.ultimate_exiting_timeout = 20  # before the kubelet loses its patience
    return chosen


if __name__ == "__main__":
    sys.exit(main())
