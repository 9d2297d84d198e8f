"""A shell as somebody has it who reads the pages: kubectl with our plugin, helm, a checkout, a cluster."""

import contextlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from doc_pages import REPOSITORY
from doc_table import PLACEHOLDERS
from lab import binaries
from lab.control_plane import ControlPlane
from oompolicy_agent.cli.__main__ import main as kubectl_oompolicy

__all__ = ["Reader"]

LONGEST_SECONDS = 60
PLUGIN = re.compile(r"kubectl oompolicy (?!--help)([^|;&<>$]*)")
OFFLINE = {"resolve"}
"""What has no option for a cluster."""
READY = re.compile(r"kubectl wait --for=condition=Ready oomp/(\S+)")


class Reader:
    """Types commands as somebody who reads the pages, from the top of a checkout; none of them twice."""

    def __init__(self, control_plane: ControlPlane, folder: Path) -> None:
        self.control_plane = control_plane
        self._folder = folder
        self._typed: set[str] = set()
        self._has_seen_the_plugin = False
        self._environment = os.environ | {
            "PATH": f"{_programs(folder / 'bin')}:{os.environ['PATH']}",
            "KUBECONFIG": str(control_plane.kubeconfig),
        }
        self._checkout = _checkout(folder / "checkout")

    def types(self, command: str) -> None:
        """Runs it, with placeholders replaced; fails with what it said if it fails."""
        if command in self._typed:
            return
        self._typed.add(command)
        if found := READY.match(command):
            self._becomes_ready(found[1])
        for placeholder, value in PLACEHOLDERS.items():
            command = re.sub(rf"\b{placeholder}\b", value, command)
        plugin = PLUGIN.fullmatch(command)
        status, said = self._asks(plugin[1]) if plugin and self._has_seen_the_plugin else self._runs(command)
        self._has_seen_the_plugin |= plugin is not None
        assert status == 0, f"$ {command}\n{said}"

    def _runs(self, command: str) -> tuple[int, str]:
        result = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=self._checkout,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LONGEST_SECONDS,
            check=False,
        )
        return result.returncode, result.stdout + result.stderr

    def _asks(self, line: str) -> tuple[int, str]:
        """As kubectl's plugin, but in this process: starting Python takes longer than answering."""
        said, words = io.StringIO(), shlex.split(line)
        if words[0] not in OFFLINE:  # the client has read $KUBECONFIG when it was imported
            words.append(f"--kubeconfig={self.control_plane.kubeconfig}")
        with contextlib.chdir(self._checkout), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            return kubectl_oompolicy(words), said.getvalue()

    def has(self, name: str, content: str) -> None:
        """A file of the reader's own."""
        (self._checkout / name).write_text(content)

    def _becomes_ready(self, policy: str) -> None:
        """As the operator would write; there is no node whose agent could report."""
        now = "2026-11-24T01:53:49Z"
        condition = {"type": "Ready", "status": "True", "reason": "Ready", "message": "", "lastTransitionTime": now}
        patch = json.dumps({"status": {"conditions": [condition]}})
        options = ("--subresource=status", "--type=merge", "-p", patch)
        self.control_plane.kubectl("patch", "oomp", policy, *options)


def _programs(folder: Path) -> Path:
    """What is on a reader's PATH: the real kubectl with our plugin beside it, helm, and the guard's command."""
    folder.mkdir()
    ours = [Path(sys.executable).with_name(name) for name in ("kubectl-oompolicy", "oompolicy-guard")]
    for program in (binaries.kubectl(), binaries.helm(), *ours):
        (folder / program.name).symlink_to(program)
    return folder


def _checkout(folder: Path) -> Path:
    """The repository's files, into which commands may write others."""
    folder.mkdir()
    for path in REPOSITORY.iterdir():
        if path.name != ".git":
            (folder / path.name).symlink_to(path)
    return folder
