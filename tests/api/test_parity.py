"""The Python types and the CRDs say the same, and the CRDs read as documentation."""

import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from oompolicy_api._model import ApiModel
from oompolicy_api.decision import OOMDecisionSpec, OOMDecisionStatus
from oompolicy_api.node import OOMNodeStatus
from oompolicy_api.policy import OOMPolicySpec, OOMPolicyStatus

Schema = dict[str, Any]
CRDS = Path(__file__).parents[2] / "crds"
OPEN_BY_NATURE = {"metadata"}
SET_BY_EVERYBODY = {"apiVersion", "kind"}


every_kind = pytest.mark.parametrize("plural", ["oompolicies", "oomnodes", "oomdecisions"])


def schema_of(plural: str) -> Schema:
    crd = yaml.safe_load((CRDS / f"{plural}.oompolicy.dev.yaml").read_text())
    return typing.cast("Schema", crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"])


def fields_of(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    for name, field in schema.get("properties", {}).items():
        if name in OPEN_BY_NATURE:
            continue
        yield f"{path}.{name}", field
        yield from fields_of(field, f"{path}.{name}")
        yield from fields_of(field.get("items", {}), f"{path}.{name}[]")


def model_in(annotation: Any) -> type[ApiModel] | None:  # noqa: ANN401 - any annotation may stand there
    if isinstance(annotation, type) and issubclass(annotation, ApiModel):
        return annotation
    return next((found for argument in typing.get_args(annotation) if (found := model_in(argument))), None)


def model_paths(model: type[ApiModel], path: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        here = f"{path}.{field.alias or name}"
        yield here
        inner = model_in(field.annotation)
        if inner:
            yield from model_paths(inner, here + ("[]" if "tuple" in str(field.annotation) else ""))


@pytest.mark.parametrize(
    ("plural", "part", "model"),
    [
        pytest.param("oompolicies", "spec", OOMPolicySpec, id="policy-spec"),
        pytest.param("oompolicies", "status", OOMPolicyStatus, id="policy-status"),
        pytest.param("oomnodes", "status", OOMNodeStatus, id="node-status"),
        pytest.param("oomdecisions", "spec", OOMDecisionSpec, id="decision-spec"),
        pytest.param("oomdecisions", "status", OOMDecisionStatus, id="decision-status"),
    ],
)
def test_python_type_has_exactly_the_fields_of_the_schema(plural: str, part: str, model: type[ApiModel]) -> None:
    schema = schema_of(plural)["properties"][part]
    assert sorted(model_paths(model, "")) == sorted(path for path, _ in fields_of(schema))


@every_kind
def test_every_field_is_described(plural: str) -> None:
    assert [path for path, field in fields_of(schema_of(plural)) if not field.get("description")] == []


@every_kind
def test_every_optional_field_says_what_its_absence_means(plural: str) -> None:
    silent = [path for path, field in optional_fields(schema_of(plural)) if "bsent" not in field["description"]]
    assert silent == []


def optional_fields(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    for name, field in schema.get("properties", {}).items():
        if name in SET_BY_EVERYBODY or name in OPEN_BY_NATURE:
            continue
        if name not in schema.get("required", []):
            yield f"{path}.{name}", field
        yield from optional_fields(field.get("items", field), f"{path}.{name}")


@every_kind
def test_every_string_list_and_number_is_bounded(plural: str) -> None:
    bounds = {
        "object": set[str](),
        "boolean": set[str](),
        "string": {"maxLength"},
        "array": {"maxItems", "x-kubernetes-list-type"},
        "integer": {"minimum", "maximum"},
    }
    schema = schema_of(plural)
    unbounded = [path for path, field in fields_of(schema) if bounds[type_of(field)] - field.keys()]
    unbounded += [
        path for path, field in fields_of(schema) if "additionalProperties" in field and "maxProperties" not in field
    ]
    assert unbounded == []


def type_of(field: Schema) -> str:
    """What may be a number or a string has the bounds of a string."""
    return "string" if field.get("x-kubernetes-int-or-string") else str(field["type"])
