"""What the operator is told at its start: one YAML file, written by the chart, with the names that values.yaml has."""

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

__all__ = ["AgentSettings", "ContainerSettings", "DecisionSettings", "PullSecret", "Settings", "SettingsError"]


class SettingsError(Exception):
    """The file cannot be used; the message names the field."""


class _Strict(BaseModel):
    """Unknown keys are errors, so that a misspelt one is not taken for its default."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid")


class PullSecret(_Strict):
    """A secret for pulling the agents' image, in the agents' namespace."""

    name: str


class ContainerSettings(_Strict):
    """What one container of the agents may use."""

    resources: dict[str, dict[str, str]] = {}
    """Requests and limits, as a pod has them."""


class AgentSettings(_Strict):
    """The agents that the operator makes. Only the chart says this: who may edit policies does not own the nodes."""

    namespace: str
    """Where the DaemonSets are. It must admit privileged pods."""

    image: str
    """The agents' image with its tag or digest."""

    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    """When a node pulls the image; as in a pod."""

    image_pull_secrets: tuple[PullSecret, ...] = ()
    """Absent: the image needs none."""

    state_directory: str = "/var/lib/oompolicy"
    """The folder on the host where guard and sync meet."""

    decisions_namespace: str = ""
    """Where the agents create OOMDecisions. Empty: nowhere."""

    metrics_port: int = Field(default=0, ge=0, le=65535)
    """Where sync answers `/metrics` in its pod. 0: nowhere."""

    guard: ContainerSettings = ContainerSettings()
    """The privileged half."""

    sync: ContainerSettings = ContainerSettings()
    """The half that speaks with the API server."""


class DecisionSettings(_Strict):
    """The records of kills."""

    namespace: str = ""
    """Where they are; the operator's own. Empty: there are none."""

    keep: int = 1000
    """So many are kept in the cluster, the newest."""

    days: int = 30
    """None is kept longer."""


class Settings(_Strict):
    """All that the operator is told."""

    log_level: Literal["Error", "Warning", "Info", "Debug"] = "Info"
    """The least severe line that is logged."""

    health_port: int = 8080
    """Where `/healthz`, `/readyz` and `/metrics` answer. 0: nowhere."""

    agent: AgentSettings

    decisions: DecisionSettings = DecisionSettings()
    """The records of kills."""

    @classmethod
    def load(cls, path: Path) -> "Settings":
        """The settings in the file at `path`.

        Raises:
            SettingsError: there is no such file, it is no YAML, or a field is unknown, missing or of a wrong value.
        """
        try:
            return cls.model_validate(_parsed(path))
        except ValidationError as error:
            raise SettingsError(f"{path}: {_first(error)}") from error


def _parsed(path: Path) -> Any:  # noqa: ANN401 - a file may hold anything until it is validated
    try:
        return yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
    except (OSError, yaml.YAMLError) as error:
        raise SettingsError(f"{path}: {error}") from error


def _first(error: ValidationError) -> str:
    problem = error.errors()[0]
    return f"{'.'.join(str(part) for part in problem['loc']) or 'file'}: {problem['msg']}"
