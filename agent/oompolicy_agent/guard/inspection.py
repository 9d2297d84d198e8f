"""Writes down who is on the node and what everybody uses, for people who ask; never while memory is short."""

import json
import os
import time
from collections.abc import Iterable, Mapping
from functools import partial

from oompolicy_agent.guard.clock import stamp
from oompolicy_agent.guard.files import read_hostile, replace
from oompolicy_agent.guard.layout import Kind, Place
from oompolicy_agent.guard.parts import INBOX, Parts
from oompolicy_agent.guard.records import Document, pod_victim
from oompolicy_agent.guard.snapshot import snapshot_of
from oompolicy_agent.guard.targets import Targets
from oompolicy_agent.inspection import ANSWER, FORMAT_VERSION, REQUEST
from oompolicy_agent.snapshot_json import snapshot_document

__all__ = ["Inspection"]

LIMIT, LONGEST = 4096, 64
"""Of a request: bytes of the file, characters of its text."""
PAUSE_SECONDS = 1.0
"""Between two answers, whoever asks: an answer reads every container."""
MODE = 0o644
NODE = "/"


class Inspection:
    """Answers one request after another."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._path = f"{parts.settings.state_directory}/{INBOX}/{REQUEST}"
        self._seen: tuple[int, int] | None = None
        self._not_before = float("-inf")

    def answer(self, *, with_swap: bool) -> None:
        """Answers what was asked since the last call; costs one lstat(2) if nothing was."""
        now = time.monotonic()
        if now < self._not_before or not self._parts.status_disk.is_idle or (request := self._news()) is None:
            return
        self._not_before = now + PAUSE_SECONDS
        parts = self._parts
        targets = parts.inbox.targets
        facts = parts.chooser.measured(targets, with_swap=with_swap)
        document = {
            "formatVersion": FORMAT_VERSION,
            "request": request,
            "time": stamp(time.time()),
            "backend": parts.chooser.chosen(targets.policy),
            "policy": targets.policy and targets.policy.name,
            "snapshot": snapshot_document(snapshot_of(parts.census.tree, targets, facts, NODE)),
            "victims": _victims(parts.census.tree, targets),
        }
        content = json.dumps(document, separators=(",", ":")).encode()
        parts.status_disk.start(partial(replace, parts.outbox, ANSWER, content, MODE))

    def _news(self) -> str | None:
        """The text of a request that was not there before; None also for what is no request."""
        try:
            found = os.lstat(self._path)
            mark = found.st_ino, found.st_mtime_ns
            if mark == self._seen:
                return None
            self._seen = mark
            request = json.loads(read_hostile(self._path, LIMIT))["request"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return request if isinstance(request, str) and len(request) <= LONGEST else None


def _victims(tree: Iterable[Place], targets: Targets) -> Mapping[str, Document]:
    """Whose each pod's and container's memcg is, by path."""
    found: dict[str, Document] = {}
    for place in tree:
        if place.kind not in {Kind.POD, Kind.CONTAINER} or place.pod_uid not in targets.pods:
            continue
        pod, victim = targets.pods[place.pod_uid], pod_victim(place, targets)
        told = pod.containers.get(place.container_id)
        found[place.path] = {
            "namespace": victim.namespace,
            "pod": victim.pod,
            "container": told and told.name,
            "rule": victim.rule,
            "source": victim.source,
        }
    return found
