"""The only place of the command line that talks to a cluster: by the kubeconfig that kubectl would use."""

import argparse
import json
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, TypeVar, cast
from urllib.parse import urlencode

import yaml
from kubernetes import client, config
from pydantic import BaseModel, ValidationError

from oompolicy_agent.cli.printing import counting
from oompolicy_agent.pods import Pod, PodError, parse_pod
from oompolicy_agent.resolve import NAMESPACE_NAME_LABEL
from oompolicy_agent.sync.decisions import label_of
from oompolicy_api import GROUP, VERSION
from oompolicy_api.decision import OOMDecision
from oompolicy_api.labels import AGENT_LABEL
from oompolicy_api.node import OOMNode
from oompolicy_api.policy import OOMPolicy

__all__ = ["Cluster", "CommandError", "add_changed", "add_cluster"]

Model = TypeVar("Model", bound=BaseModel)
OURS = f"/apis/{GROUP}/{VERSION}"
PAGE = 500
SECONDS = 60


class CommandError(Exception):
    """Why a command cannot do what it was asked for; the message is one line."""


def add_cluster(command: argparse.ArgumentParser) -> None:
    """The options of kubectl that say which cluster."""
    command.add_argument("--kubeconfig", metavar="FILE", help="default: as kubectl has it")
    command.add_argument("--context", metavar="NAME", help="of the kubeconfig; default: its current one")


def add_changed(command: argparse.ArgumentParser, contents: str) -> None:
    """The options that say which policy is to be compared, and with what: the cluster, or files with `contents`."""
    command.add_argument(
        "-f", "--filename", action="append", required=True, metavar="FILE", help="YAML with the changed OOMPolicy"
    )
    command.add_argument(
        "--against",
        action="append",
        metavar="FILE",
        help=f"YAML with {contents}, pods and namespaces, instead of the cluster; repeat for more",
    )


class Cluster:
    """What there is in the cluster now. Every method raises CommandError."""

    def __init__(self, options: argparse.Namespace) -> None:
        try:
            cast("Any", config).load_kube_config(options.kubeconfig, context=options.context)
            contexts, current = cast("Any", config).list_kube_config_contexts(options.kubeconfig)
        except (config.ConfigException, OSError, yaml.YAMLError) as error:
            raise CommandError(f"expected a kubeconfig, as kubectl needs one: {error}") from error
        context = next((one for one in contexts if one["name"] == options.context), current)
        self.namespace = str(context["context"].get("namespace") or "default")
        """Where kubectl would look when nobody says."""
        self._api: Any = client.ApiClient()  # the generated client has no annotations

    def policies(self) -> list[OOMPolicy]:
        """All of them, by name."""
        found = (_parsed(OOMPolicy, one) for one in self._list(f"{OURS}/oompolicies"))
        return sorted(found, key=lambda policy: policy.metadata.name)

    def nodes(self) -> list[OOMNode]:
        """All of them, by name."""
        found = (_parsed(OOMNode, one) for one in self._list(f"{OURS}/oomnodes"))
        return sorted(found, key=lambda node: node.metadata.name)

    def decisions(self, labels: Mapping[str, str] | None = None, *, name: str = "") -> list[OOMDecision]:
        """Those with these labels, or of that name, in all namespaces, oldest first."""
        selector = ",".join(f"{GROUP}/{key}={label_of(value)}" for key, value in (labels or {}).items())
        query = {"labelSelector": selector, "fieldSelector": f"metadata.name={name}" if name else ""}
        found = self._list(f"{OURS}/oomdecisions", **{key: value for key, value in query.items() if value})
        return sorted((_parsed(OOMDecision, one) for one in found), key=lambda one: one.spec.time)

    def pods(self, node: str = "") -> dict[str, list[Pod]]:
        """By the name of their node; those that nobody has scheduled are left out."""
        found: dict[str, list[Pod]] = {}
        for body in self._list("/api/v1/pods", **({"fieldSelector": f"spec.nodeName={node}"} if node else {})):
            if name := body["spec"].get("nodeName"):
                found.setdefault(name, []).append(_pod(body))
        return found

    def node_of(self, namespace: str, pod: str) -> str:
        """Where a pod runs."""
        body = self._get(f"/api/v1/namespaces/{namespace}/pods/{pod}")
        if body is None:
            raise CommandError(f"expected a pod {namespace}/{pod}, found none: see kubectl get pods -A")
        if not (node := body["spec"].get("nodeName")):
            raise CommandError(f"pod {namespace}/{pod} has not been scheduled, so no node knows of it")
        return str(node)

    def agent_on(self, node: str) -> tuple[str, str]:
        """Namespace and name of a ready agent on a node."""
        selector = "=".join(AGENT_LABEL)
        query = {"labelSelector": selector, "fieldSelector": f"spec.nodeName={node},status.phase=Running"}
        found = [body["metadata"] for body in self._list("/api/v1/pods", **query) if _is_ready(body)]
        if not found:
            raise CommandError(f"expected a ready agent on node {node}, found none: see kubectl oompolicy status")
        return str(found[0]["namespace"]), str(found[0]["name"])

    def labels_of(self, node: str) -> Mapping[str, str]:
        """Of one node."""
        body = self._get(f"/api/v1/nodes/{node}")
        return body["metadata"].get("labels", {}) if body else {}

    def node_labels(self) -> dict[str, Mapping[str, str]]:
        """The labels of each node, by name."""
        found = (body["metadata"] for body in self._list("/api/v1/nodes"))
        return {one["name"]: one.get("labels", {}) for one in sorted(found, key=lambda one: str(one["name"]))}

    def namespaces(self) -> dict[str, Mapping[str, str]]:
        """Their labels, by name."""
        found = (body["metadata"] for body in self._list("/api/v1/namespaces"))
        return {one["name"]: {NAMESPACE_NAME_LABEL: one["name"], **one.get("labels", {})} for one in found}

    def _list(self, path: str, **query: str) -> Iterator[dict[str, Any]]:
        """Page by page."""
        more = ""
        with counting(path.rpartition("/")[2]) as count:
            while True:
                page = {"limit": str(PAGE), **({"continue": more} if more else {})}
                body = self._get(f"{path}?{urlencode(query | page)}")
                if body is None:
                    raise CommandError(
                        f"expected {path} in the API, found nothing: is OOMPolicy installed in this cluster?"
                    )
                yield from body["items"]
                metadata = body["metadata"]
                count(len(body["items"]), metadata.get("remainingItemCount", 0))
                more = metadata.get("continue", "")
                if not more:
                    return

    def _get(self, path: str) -> dict[str, Any] | None:
        """What is there; None if there is nothing."""
        request = self._api.param_serialize("GET", path, auth_settings=["BearerToken"])
        try:
            response = self._api.call_api(*request, _request_timeout=SECONDS)
            text = response.read()
        except Exception as error:  # the client lets those of urllib3 through, which are of many kinds
            raise CommandError(f"the API server did not answer: {error}") from error
        if response.status == HTTPStatus.NOT_FOUND:
            return None
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise CommandError(f"the API server refused: {_message(text) or response.reason}")
        return cast("dict[str, Any]", json.loads(text))


def _message(text: bytes) -> str:
    """What a Status says; what something between us and the API server says is no Status."""
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return ""


def _parsed(model: type[Model], body: dict[str, Any]) -> Model:
    try:
        return model.model_validate(body)
    except ValidationError as error:
        first, name = error.errors()[0], body["metadata"].get("name")
        where = ".".join(map(str, first["loc"]))
        raise CommandError(f"{body.get('kind', model.__name__)} {name}: {where}: {first['msg']}") from error


def _is_ready(body: dict[str, Any]) -> bool:
    conditions = body.get("status", {}).get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _pod(body: dict[str, Any]) -> Pod:
    try:
        return parse_pod(body)
    except PodError as error:
        name = body["metadata"]
        raise CommandError(f"pod {name.get('namespace')}/{name.get('name')}: {error}") from error
