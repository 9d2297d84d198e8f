"""The OOMDecision for one record of the guard's journal, cut to the API's bounds. Pure."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from oompolicy_api import GROUP, VERSION
from oompolicy_api.decision import OOMDecisionSpec

__all__ = ["decision_for", "label_of"]

MOST_LAYERS, MOST_RANKED, MOST_SAMPLES = 64, 16, 64
LONGEST_NAME, LONGEST_LABEL, LONGEST_SENTENCE = 253, 63, 4096
DURATIONS = ("shortageToSignal", "signalToEmpty", "signalToFreed")
_TAKEN_OVER = ("id", "time", "domain", "mode", "backend", "outcome", "agreed", "policy", "trigger")
_COUNTED = ("graceMilliseconds", "tasksSignalled", "freedBytes", "kernelKills")
_NO_LABEL = re.compile(r"[^A-Za-z0-9_.-]")

Record = Mapping[str, Any]


def decision_for(record: Record, node: str, namespace: str) -> dict[str, Any]:
    """The object to create; raises ValueError naming the field if the record is not as agent/README.md says.

    Its name follows from node and id, so that the same decision is never published twice.
    """
    victim = _victim(record.get("victim"))
    milliseconds = record.get("milliseconds") or {}
    fields = {name: record.get(name) for name in _TAKEN_OVER}
    fields |= {name: record.get(name) or None for name in _COUNTED}
    fields |= {f"{name}Milliseconds": _whole(milliseconds.get(name)) for name in DURATIONS}
    fields |= {
        "node": node,
        "why": str(record["why"])[:LONGEST_SENTENCE] if record.get("why") else None,
        "evict": record.get("evict") or None,
        "victim": victim,
        "layers": list(record.get("layers") or ())[:MOST_LAYERS],
        "ranking": [_victim(one) for one in (record.get("ranking") or ())[:MOST_RANKED]],
        "samples": list(record.get("samples") or ())[:MOST_SAMPLES],
    }
    try:
        spec = OOMDecisionSpec.model_validate({name: value for name, value in fields.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}, found {first['input']!r:.80}") from error
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "OOMDecision",
        "metadata": {"name": _name(node, spec.id), "namespace": namespace, "labels": _labels(spec)},
        "spec": spec.model_dump(mode="json", by_alias=True, exclude_none=True),
    }


def _victim(found: Record | None) -> dict[str, Any] | None:
    return {**found, "podUID": found.get("podUid") or None} if found else None


def _whole(milliseconds: float | None) -> int | None:
    return None if milliseconds is None else round(milliseconds)


def _name(node: str, decision: str) -> str:
    name = f"{node}.{decision}".lower()
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(node.encode()).hexdigest()[:16]
    return f"{digest}.{decision}".lower()


def _labels(spec: OOMDecisionSpec) -> dict[str, str]:
    victim = spec.victim
    values = {
        "node": spec.node,
        "policy": spec.policy and spec.policy.name,
        "victim-namespace": victim and victim.namespace,
        "victim-pod": victim and victim.pod,
    }
    return {f"{GROUP}/{key}": label_of(value) for key, value in values.items() if value}


def label_of(value: str) -> str:
    """A long name is cut: names of pods and nodes may be four times as long as a label."""
    return _NO_LABEL.sub("-", value[:LONGEST_LABEL]).strip("-_.")
