"""A real Prometheus on loopback, and promtool, from Debian's package: it is unpacked, and no service is installed."""

import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lab import cache, debian
from lab.daemon import Daemon, free_port, wait_for

__all__ = ["Prometheus", "PrometheusError", "programs"]

SUITE = "bookworm"
"""Its glibc is old enough for every host that this runs on."""
PACKAGES = ("prometheus",)
OPTIONS = ("--dpkgopt=path-exclude=/usr/share/*",)
PATIENCE_SECONDS = 60.0


def programs() -> Path:
    """A folder with `prometheus` and `promtool`, from the cache or fetched now."""
    says = f"Prometheus and promtool of Debian {SUITE}, a quarter of a minute"
    return cache.built("prometheus", [SUITE, *PACKAGES, *OPTIONS], _fetch, says=says)


def _fetch(folder: Path) -> None:
    debian.extract(SUITE, PACKAGES, OPTIONS, folder / "root.tar")
    wanted = [f"./usr/bin/{name}" for name in ("prometheus", "promtool")]
    subprocess.run(["tar", "-xf", folder / "root.tar", "-C", folder, "--strip-components=3", *wanted], check=True)
    (folder / "root.tar").unlink()


class PrometheusError(RuntimeError):
    """It refused a question; the message is its answer."""


class Prometheus:
    """Runs on entry, ends on exit; asks each of `targets` every second.

    Args:
        folder: for its files.
        targets: by address, the labels that a PodMonitor would add.
        rules: a file with alerts, evaluated every second.
    """

    def __init__(self, folder: Path, targets: Mapping[str, Mapping[str, str]], rules: Path) -> None:
        self._folder = folder
        self._address = f"127.0.0.1:{free_port()}"
        asked = [{"targets": [address], "labels": labels} for address, labels in targets.items()]
        self._config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(rules)],
            "scrape_configs": [{"job_name": "oompolicy", "static_configs": asked}],
        }

    def __enter__(self) -> Self:
        config = self._folder / "prometheus.yml"
        config.write_text(json.dumps(self._config))  # JSON is YAML
        command: list[str | Path] = [
            programs() / "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={self._folder / 'data'}",
            f"--web.listen-address={self._address}",
            "--log.level=warn",
        ]
        with ExitStack() as stack:
            self.daemon = stack.enter_context(Daemon(command, self._folder / "prometheus.log"))
            self.wait_until("Prometheus ready", self._is_ready)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def ask(self, path: str, **parameters: str) -> Any:  # noqa: ANN401 - its answers differ
        """What its API answers at `/api/v1/PATH`; raises PrometheusError with its own words."""
        question = urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen(f"http://{self._address}/api/v1/{path}?{question}", timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise PrometheusError(f"{parameters}: {error.read().decode()}") from error

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that a PromQL expression has now; raises PrometheusError if it is none."""
        found: list[dict[str, Any]] = self.ask("query", query=expression)["result"]
        return found

    def wait_until(self, what: str, holds: Callable[[], object]) -> None:
        """Waits for `holds()`; the error has the end of its log."""
        wait_for(what, lambda: bool(holds()), daemon=self.daemon, patience_seconds=PATIENCE_SECONDS)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self._address}/-/ready", timeout=5):
                return True
        except OSError:
            return False
