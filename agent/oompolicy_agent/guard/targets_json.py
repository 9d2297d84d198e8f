"""Reads `targets.json`, checked field by field before anything of it is believed. Pure.

The file comes from a process without privileges, so it is taken for hostile. A wrong type or size refuses the whole
file, because nobody can say what it meant. A value that this version does not know yet (a new kind of protection, a
new unit) protects whoever has it and is reported. A field that it does not know is ignored and named: a newer sync may
talk to an older guard.
"""

import json
from dataclasses import replace

from oompolicy_agent.guard.fields import BYTES, FieldError, Object, integer_or_none, mapping
from oompolicy_agent.guard.findings import Findings
from oompolicy_agent.guard.hosts_json import read_hosts
from oompolicy_agent.guard.pods_json import read_pods
from oompolicy_agent.guard.policy_json import read_policy
from oompolicy_agent.guard.settings import Limits
from oompolicy_agent.guard.targets import Targets

__all__ = ["FORMAT_VERSION", "parse"]

FORMAT_VERSION = 1
AUDIT = "Audit"
NEWER = "a newer version wrote the file: update this guard, or have the older format written"
MOST_VALUES = 200_000
"""JSON values in a file: a real one has one in 40 bytes, but an empty list takes 2 bytes there and 64 in memory."""
_ONE = frozenset({"policy", "pods", "hostCgroups"})
_KNOWN = _ONE | {"formatVersion", "writtenAt", "node", "audit", "kubeletHardEvictionBytes"}
_DEFAULTS = Limits()


def parse(document: bytes, limits: Limits = _DEFAULTS) -> Targets:
    """The targets in a file's content; raises FieldError for the first thing that is wrong with it.

    Args:
        document: the content.
        limits: the guard's own numbers, for what the policy does not say.
    """
    root = mapping("targets", _decoded(document))
    _check_version(root.get("formatVersion"))
    findings = Findings()
    findings.check_names("", root, _KNOWN)
    hard = root.get("kubeletHardEvictionBytes")
    return replace(
        _under_one(root, limits, findings),
        audit=_audit(root.get("audit"), limits, findings),
        kubelet_hard_eviction_bytes=integer_or_none("kubeletHardEvictionBytes", hard, BYTES),
        problems=findings.problems,
        unknown_fields=findings.unknown_fields,
    )


def _under_one(fields: Object, limits: Limits, findings: Findings) -> Targets:
    """What one policy says."""
    return Targets(
        policy=read_policy(fields.get("policy"), limits, findings),
        pods=read_pods(fields.get("pods"), findings),
        host_cgroups=read_hosts(fields.get("hostCgroups"), findings),
    )


def _audit(found: object, limits: Limits, findings: Findings) -> Targets | None:
    """A second policy, which must touch nothing; its fields are called like those of the first."""
    if found is None:
        return None
    fields = mapping("audit", found)
    findings.check_names("audit.", fields, _ONE)
    targets = _under_one(fields, limits, findings)
    if targets.policy is None or targets.policy.mode != AUDIT:
        raise FieldError("audit.policy.mode", AUDIT, targets.policy and targets.policy.mode)
    return targets


def _decoded(document: bytes) -> object:
    if sum(document.count(sign) for sign in (b",", b"[", b"{")) > MOST_VALUES:
        raise FieldError("targets", f"at most {MOST_VALUES} values", "more")
    try:
        return json.loads(document)
    except RecursionError:
        raise FieldError("targets", "JSON", "something nested too deeply") from None
    except ValueError as error:
        raise FieldError("targets", "JSON", str(error)) from None


def _check_version(found: object) -> None:
    if type(found) is not int or found != FORMAT_VERSION:
        is_newer = type(found) is int and found > FORMAT_VERSION
        raise FieldError("formatVersion", str(FORMAT_VERSION), found, NEWER if is_newer else "")
