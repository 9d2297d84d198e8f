"""What guard, sync and command line tell each other when somebody asks who would die now. Pure.

sync puts a request into the inbox, the guard answers in the outbox, and sync hands that on to whoever has asked it on
the pod's loopback. Nothing is measured, written or sent unless somebody asks.
"""

from typing import Final

__all__ = ["ANSWER", "FORMAT_VERSION", "LARGEST", "PORT", "REQUEST", "SECONDS"]

PORT: Final = 9445
"""Of sync, on 127.0.0.1 in the agent's pod: only a port-forward gets there, and Kubernetes says who may make one."""
REQUEST: Final = "inspect.json"
"""In the inbox: `{"request": "..."}`, any text of at most 64 characters that no request before had."""
ANSWER: Final = "inspected.json"
"""In the outbox: the same `request`, with `snapshot` as `oompolicy-guard rank` reads it and `victims` by path."""
FORMAT_VERSION: Final = 1
LARGEST: Final = 8 << 20
"""Bytes of an answer: ten thousand containers need half of it."""
SECONDS: Final = 5.0
"""For which an answer is waited: a guard that sees a shortage has no time for people."""
