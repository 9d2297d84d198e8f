"""Tells whoever can reach the pod's loopback what the guard sees now: for `kubectl oompolicy rank`.

One connection is one question: nothing has to be sent, the answer is a JSON document, and then it is closed. Only a
port-forward gets there, so Kubernetes' own authorisation decides who may ask, and the pods' network sees nothing.
"""

import asyncio
import json
import secrets
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from oompolicy_agent.inspection import ANSWER, PORT, REQUEST, SECONDS
from oompolicy_agent.sync.files import read_json, replace_json

__all__ = ["Inspector"]

POLL_SECONDS = 0.05
MOST_WAITING = 8
"""Questions at a time; who comes later is told to come again."""
BUSY = "too many ask at once; ask again"
SILENT = "the guard did not answer: it does not run, or memory is so short that it has no time; ask again"


class Inspector:
    """Hands questions on to the guard, one at a time."""

    def __init__(self, inbox: Path, outbox: Path, log: FilteringBoundLogger, port: int = PORT) -> None:
        self.port = port
        self._request, self._answer = inbox / REQUEST, outbox / ANSWER
        self._log = log
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def run(self) -> None:
        """Answers for ever; where the port cannot be had, says so and lets everything else go on."""
        try:
            server = await self.listen()
        except OSError as error:
            self._log.warning("Could not open the port for kubectl oompolicy rank", port=self.port, err=str(error))
            return
        async with server:
            await server.serve_forever()

    async def listen(self) -> asyncio.Server:
        """Opens the port; raises OSError."""
        return await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def _serve(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(json.dumps(await self._asked()).encode())
            async with asyncio.timeout(SECONDS):
                await writer.drain()
        except (ConnectionError, TimeoutError):
            pass  # whoever asked has gone
        finally:
            writer.close()

    async def _asked(self) -> dict[str, object]:
        if self._waiting >= MOST_WAITING:
            return {"error": BUSY}
        self._waiting += 1
        try:
            async with self._turn:
                return await self._answered()
        finally:
            self._waiting -= 1

    async def _answered(self) -> dict[str, object]:
        request = secrets.token_hex(8)
        try:
            replace_json(self._request, {"request": request})
            async with asyncio.timeout(SECONDS):
                found = await self._read(request)
        except TimeoutError:
            return {"error": SILENT}
        except OSError as error:
            return {"error": f"could not ask the guard: {error}"}
        return found

    async def _read(self, request: str) -> dict[str, object]:
        """The answer to it, once it is there: another process writes it."""
        while True:
            found = read_json(self._answer)
            if found and found.get("request") == request:
                return found
            await asyncio.sleep(POLL_SECONDS)
