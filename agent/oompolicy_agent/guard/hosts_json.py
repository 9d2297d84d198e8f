"""Reads the `hostCgroups` of targets.json: memcgs outside kubepods that somebody gives a priority. Pure.

What keeps the node alive must have none, whatever a file says: kubelet, the runtime, and every memcg that holds them.
What a distribution calls by a name that is not listed here, the guard still protects by its process.
"""

import re
from collections.abc import Iterator

from oompolicy_agent.guard.fields import FieldError, items, string
from oompolicy_agent.guard.findings import Findings
from oompolicy_agent.guard.pods_json import read_request, read_standing
from oompolicy_agent.guard.targets import HostTarget

__all__ = ["host_path", "read_hosts"]

MOST_HOST_CGROUPS = 256
LONGEST_PATH = 4096
"""PATH_MAX."""
PROTECTIONS = ("Always",)
_KNOWN = frozenset({"path", "priority", "protect", "requestBytes"})
_PODS = re.compile(r"(kubelet-)?kubepods(\.slice|-.*)?")
_ABOVE_PODS = ("kubelet", "kubelet.slice")
_SERVICE = re.compile(
    r"(kubelet|containerd|crio|cri-o|docker|cri-docker|k3s|k3s-agent|rke2-server|rke2-agent|k0scontroller|k0sworker"
    r"|snap\.(microk8s|k8s)\..+)\.service"
)
_TALOS = "podruntime"
"""Talos has kubelet and the runtime in here, without systemd's names."""
_SYSTEM = re.compile(r"(system|user|machine|runtime|podruntime)\.slice|init\.scope|system|init")
"""Directly below the root these hold many parts of the system, on some images kubelet and the runtime."""


def read_hosts(found: object, findings: Findings) -> dict[str, HostTarget]:
    """The targets by path; raises FieldError for what is not as it must be, and takes down what is not known."""
    hosts: dict[str, HostTarget] = {}
    for field, host in _each(found, findings):
        if host.path in hosts:
            raise FieldError(f"{field}.path", "each path once", host.path)
        hosts[host.path] = host
    return hosts


def _each(found: object, findings: Findings) -> Iterator[tuple[str, HostTarget]]:
    for field, fields in items("hostCgroups", found, MOST_HOST_CGROUPS):
        findings.check_names("hostCgroups[].", fields, _KNOWN)
        path = host_path(f"{field}.path", fields.get("path"))
        priority, protect = read_standing(field, path, fields, PROTECTIONS, findings)
        yield field, HostTarget(path, priority, protect, read_request(field, fields))


def host_path(field: str, found: object) -> str:
    """The path from the cgroup root, with a leading slash; raises FieldError for any that must not be named."""
    path = string(field, found, LONGEST_PATH)
    first, *names = path.split("/")
    if first or not names or any(name in {"", ".", ".."} for name in names):
        raise FieldError(field, "a path from the cgroup root, as /NAME or /NAME/NAME, without . or .. or //", path)
    if advice := _objection(names):
        raise FieldError(field, "a leaf, a service, or a slice of your own", path, advice)
    return path


def _objection(names: list[str]) -> str | None:
    if names[0] in _ABOVE_PODS or any(_PODS.fullmatch(name) for name in names):
        return "pods get their priority in pods[]"
    if names[0] == _TALOS or any(_SERVICE.fullmatch(name) for name in names):
        return "kubelet and the container runtime must never die"
    if len(names) == 1 and _SYSTEM.fullmatch(names[0]):
        return "it holds parts of the system: name the services in it one by one"
    return None
