"""What the operator answers to kubelet and to Prometheus: `/healthz`, `/readyz` and `/metrics`."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

__all__ = ["serving"]


@asynccontextmanager
async def serving(port: int, why_not_ready: Callable[[], str], registry: CollectorRegistry) -> AsyncIterator[None]:
    """Answers on all addresses while the context lasts.

    Args:
        port: 0: answers nowhere.
        why_not_ready: a sentence for `/readyz`; empty when the operator is at work.
        registry: what `/metrics` shows.
    """
    if not port:
        yield
        return
    application = web.Application()
    application.add_routes(
        [
            web.get("/healthz", _alive),
            web.get("/readyz", lambda _: _readiness(why_not_ready())),
            web.get("/metrics", lambda request: _metrics(request, registry)),
        ]
    )
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, port=port).start()
        yield
    finally:
        await runner.cleanup()


async def _alive(_: web.Request) -> web.Response:
    """That the event loop answers is all there is to say: an API server that is away is no reason to be restarted."""
    return web.Response(text="ok\n")


async def _readiness(problem: str) -> web.Response:
    return web.Response(text=f"{problem or 'ok'}\n", status=503 if problem else 200)


async def _metrics(request: web.Request, registry: CollectorRegistry) -> web.Response:
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return web.Response(body=encode(registry), headers={"Content-Type": content_type})
