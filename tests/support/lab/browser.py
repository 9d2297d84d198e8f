"""A real browser without a window and without a network: opens a file, presses keys, hands back what is to be seen.

Chromium is spoken to by its DevTools protocol over a pipe: that shows its console and the requests it makes, emulates
widths and colour schemes, and needs the standard library alone.
"""

import base64
import itertools
import json
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from lab import tools
from lab.daemon import tied_to_us

__all__ = ["Browser", "Page", "Scheme", "browser"]

Scheme = Literal["light", "dark"]
PATIENCE_SECONDS = 30.0
OPTIONS = (
    "--headless",
    "--remote-debugging-pipe",
    "--disable-gpu",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # no name has an address,
    "--proxy-server=127.0.0.1:9",  # and nobody answers for those who have one
)
ONTO_PIPES = 'exec "$@" 3<&0 4>&1 </dev/null >/dev/null'
"""The browser reads commands from descriptor 3 and answers on descriptor 4."""
SAYS = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded", "Audits.issueAdded")
"""The events by which something is written into the console, or would be shown among its issues."""

FACTS = Path(__file__).with_name("page_facts.js")
KEYS: dict[str, dict[str, Any]] = {
    "Tab": {"windowsVirtualKeyCode": 9},
    "Enter": {"windowsVirtualKeyCode": 13, "text": "\r"},
}


@contextmanager
def browser() -> Iterator["Browser"]:
    """A running browser."""
    program = tools.require_browser()
    options = (*OPTIONS, "--no-sandbox") if os.geteuid() == 0 else OPTIONS  # root has no sandbox to be put into
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home, Path(home, "log").open("w+b") as log:
        command = ["bash", "-c", ONTO_PIPES, "bash", *tied_to_us(), program, *options, f"--user-data-dir={home}"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log) as process:
            try:
                yield Browser(process, Path(home, "log"))
            finally:
                process.kill()


class Browser:
    """Sends commands, and keeps the events of each page."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        assert process.stdin
        assert process.stdout
        self._to, self._from, self._log = process.stdin.fileno(), process.stdout.fileno(), log
        self._numbers = itertools.count(1)
        self._unread = b""
        self.events: dict[str, list[dict[str, Any]]] = {}

    @contextmanager
    def showing(
        self, file: Path, *, width: int = 1280, height: int = 900, scheme: Scheme = "light"
    ) -> Iterator["Page"]:
        """A file that has been loaded and drawn."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        page = Page(self, self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"])
        page.show(file, width, height, scheme)
        yield page
        self.call("Target.closeTarget", targetId=target)

    def call(self, method: str, session: str = "", **parameters: Any) -> dict[str, Any]:  # noqa: ANN401 - it is JSON
        """The result of one command; raises RuntimeError."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while (answer := self.receive()).get("id") != number:
            pass
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result

    def receive(self) -> dict[str, Any]:
        """The next message; an event is kept, too."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while b"\0" not in self._unread:
            ready, _, _ = select.select([self._from], [], [], max(0.0, deadline - time.monotonic()))
            data = os.read(self._from, 1 << 20) if ready else b""
            if not data:
                raise RuntimeError(f"The browser said nothing more. Its log: {self._log.read_text(errors='replace')}")
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        if "method" in message:
            self.events.setdefault(message.get("sessionId", ""), []).append(message)
        return message


class Page:
    """One file in the browser."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser, self._session = browser, session

    def show(self, file: Path, width: int, height: int, scheme: Scheme) -> None:
        """Loads it; everything is listened to from the very beginning."""
        for domain in ("Page", "Runtime", "Log", "Network", "Audits"):
            self._call(f"{domain}.enable")
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self._call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self._call("Page.navigate", url=file.resolve().as_uri())
        while not self._seen("Page.loadEventFired"):
            self._browser.receive()
        self.evaluate("document.fonts.ready.then(() => new Promise(requestAnimationFrame)).then(() => true)")

    @property
    def console(self) -> list[str]:
        """All that has been written into the console, by whomever."""
        return [json.dumps(event["params"]) for method in SAYS for event in self._seen(method)]

    @property
    def requests(self) -> list[str]:
        """Every URL that has been asked for."""
        return [event["params"]["request"]["url"] for event in self._seen("Network.requestWillBeSent")]

    def evaluate(self, script: str) -> Any:  # noqa: ANN401 - whatever the script's value is
        """The value of an expression, as JSON; raises RuntimeError."""
        answer = self._call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def facts(self, question: str) -> Any:  # noqa: ANN401 - whatever is asked for
        """What a function of page_facts.js answers."""
        return self.evaluate(f"{FACTS.read_text(encoding='utf-8').strip()}.{question}")

    def press(self, key: Literal["Tab", "Enter"]) -> None:
        """A key of the keyboard."""
        for kind in ("keyDown", "keyUp"):
            self._call("Input.dispatchKeyEvent", type=kind, key=key, code=key, **KEYS[key])

    def focused(self) -> tuple[str, str]:
        """Role and name of what has the focus, as a screen reader would be told."""
        found = self._call("Runtime.evaluate", expression="document.activeElement")["result"]["objectId"]
        (node,) = self._call("Accessibility.getPartialAXTree", objectId=found, fetchRelatives=False)["nodes"]
        return node["role"]["value"], node.get("name", {}).get("value", "")

    def screenshot(self) -> bytes:
        """The whole page as a PNG."""
        data = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"]
        return base64.b64decode(data)

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401 - it is JSON
        return self._browser.call(method, self._session, **parameters)

    def _seen(self, method: str) -> list[dict[str, Any]]:
        return [event for event in self._browser.events.get(self._session, []) if event["method"] == method]
