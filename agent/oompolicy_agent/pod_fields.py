"""Checked access to the fields of an object as the API server or a YAML file has it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from kubernetes.utils.quantity import parse_quantity

__all__ = ["Object", "PodError", "integer", "listed", "mapping", "quantity_bytes", "text"]

Object = Mapping[str, Any]


class PodError(ValueError):
    """A pod, or a quantity, that is not as the API describes it.

    Attributes:
        field: the field that is wrong, from the object's root, for example `spec.containers[0].name`.
    """

    def __init__(self, field: str, expected: str, found: object) -> None:
        super().__init__(f"{field}: expected {expected}, found {found!r}")
        self.field = field


def quantity_bytes(quantity: object, field: str) -> int:
    """A memory quantity such as `200Mi` in whole bytes, rounded up as Kubernetes does; raises PodError for `field`."""
    try:
        whole: int = math.ceil(parse_quantity(quantity))  # type: ignore[no-untyped-call] # no helper is annotated
    except (ValueError, ArithmeticError) as error:
        raise PodError(field, "a quantity such as 200Mi", quantity) from error
    return whole


def listed(owner: Object, field: str, where: str = "spec.") -> list[tuple[str, Object]]:
    """The mappings in a list, each with its place as a prefix; null and absent are empty."""
    items = owner.get(field) or []
    if not isinstance(items, Sequence) or isinstance(items, str):
        raise PodError(f"{where}{field}", "a list", items)
    return [(f"{where}{field}[{i}].", _as_mapping(item, f"{where}{field}[{i}]")) for i, item in enumerate(items)]


def mapping(owner: Object, field: str, where: str = "") -> Object:
    """A mapping; null and absent are empty."""
    return _as_mapping(owner.get(field) or {}, f"{where}{field}")


def text(owner: Object, field: str, where: str, default: str | None = None) -> str:
    """A string; `default`, if there is one, where the field is null or absent."""
    value = owner.get(field)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise PodError(f"{where}{field}", "a string", value)
    return value


def integer(owner: Object, field: str, where: str) -> int:
    """A whole number; null and absent are 0."""
    value = owner.get(field) or 0
    if not isinstance(value, int) or isinstance(value, bool):
        raise PodError(f"{where}{field}", "an integer", value)
    return value


def _as_mapping(value: object, field: str) -> Object:
    if not isinstance(value, Mapping):
        raise PodError(field, "a mapping", value)
    return value
