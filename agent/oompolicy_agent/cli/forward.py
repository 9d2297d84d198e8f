"""Reaches a port on a pod's loopback: by kubectl's own port-forward, which is there wherever this is a plugin of it."""

import argparse
import json
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from oompolicy_agent.cli.live import CommandError
from oompolicy_agent.inspection import LARGEST, SECONDS

__all__ = ["asked", "forwarded"]

LISTENS = re.compile(r"^Forwarding from 127\.0\.0\.1:(\d+) ")
CHUNK = 1 << 16


@contextmanager
def forwarded(options: argparse.Namespace, namespace: str, pod: str, port: int) -> Iterator[int]:
    """The port of ours that leads there while the context lasts; raises CommandError with what kubectl says."""
    which = [
        f"--{name}={value}" for name, value in vars(options).items() if name in {"kubeconfig", "context"} and value
    ]
    command = ["kubectl", *which, "--namespace", namespace, "port-forward", f"pod/{pod}", f":{port}"]
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    except FileNotFoundError as error:
        raise CommandError("expected kubectl on PATH, by which a node's agent is reached; found none") from error
    with process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if (found := LISTENS.match(line)) is None:
                said = process.stderr.read().strip() if process.stderr else ""
                raise CommandError(f"could not reach pod {namespace}/{pod}: {said or line.strip()}")
            yield int(found[1])
        finally:
            process.terminate()


def asked(port: int) -> dict[str, Any]:
    """What is answered there: one JSON object; raises CommandError."""
    content = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=4 * SECONDS) as connection:
            while (chunk := connection.recv(CHUNK)) and len(content) <= LARGEST:
                content += chunk
        answer = json.loads(content)
    except (OSError, ValueError) as error:
        raise CommandError(f"the agent did not answer: {error}; is it of this version?") from error
    if not isinstance(answer, dict) or "error" in answer:
        raise CommandError(str(answer.get("error") if isinstance(answer, dict) else answer))
    return answer
