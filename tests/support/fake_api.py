"""An API server, played: it says what real ones were seen to say when they could not be made to say it again."""

import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

__all__ = ["BOOKMARK", "EXPIRED", "Server", "namespace", "page", "serving"]

EXPIRED = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}}
BOOKMARK = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "9"}}}


class Server:
    """Answers each request with the next of `answers`: an object, or a list whose items are sent as lines."""

    def __init__(self, *answers: object) -> None:
        self._answers = list(answers)
        self.requests: list[web.Request] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One answer."""
        self.requests.append(request)
        answer = self._answers.pop(0)
        if isinstance(answer, list):
            return web.Response(text="".join(json.dumps(line) + "\n" for line in answer))
        status = answer.get("code", 200) if isinstance(answer, dict) else 200
        return web.json_response(answer, status=status)


@asynccontextmanager
async def serving(server: Server, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """The port on which `server` is served."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def namespace(name: str, version: str = "7") -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": f"uid-{name}", "resourceVersion": version}}


def page(*names: str, more: str = "") -> dict[str, Any]:
    return {"metadata": {"resourceVersion": "5", "continue": more}, "items": [namespace(name) for name in names]}
