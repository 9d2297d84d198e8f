"""Whether an object still is what we want it to be, so that nothing is written when nothing has changed."""

from collections.abc import Mapping, Sequence
from typing import Any

from kubernetes.utils.quantity import parse_quantity

__all__ = ["differs"]

_MERGE_KEYS = ("name", "mountPath", "uid")
"""What Kubernetes merges lists of objects by, as far as our manifests have such lists. Others may add to these."""

_QUANTITIES = ("requests", "limits")


def differs(wanted: Any, found: Any) -> bool:  # noqa: ANN401 - JSON
    """Whether `found` lacks something of `wanted`.

    What only `found` has is a default of the API server's or somebody else's business. Quantities are compared by
    value, because the API server writes 0.5 as 500m.
    """
    if isinstance(wanted, Mapping):
        return not isinstance(found, Mapping) or any(_field_differs(key, wanted[key], found.get(key)) for key in wanted)
    if isinstance(wanted, Sequence) and not isinstance(wanted, str):
        return not isinstance(found, Sequence) or _list_differs(wanted, found)
    return bool(wanted != found)


def _field_differs(key: str, wanted: Any, found: Any) -> bool:  # noqa: ANN401 - JSON
    if key in _QUANTITIES and isinstance(found, Mapping):
        return wanted.keys() != found.keys() or any(
            parse_quantity(wanted[each]) != parse_quantity(found[each])  # type: ignore[no-untyped-call]
            for each in wanted
        )
    return differs(wanted, found)


def _list_differs(wanted: Sequence[Any], found: Sequence[Any]) -> bool:
    merge_key = next((key for key in _MERGE_KEYS if wanted and isinstance(wanted[0], Mapping) and key in wanted[0]), "")
    if not merge_key:
        return len(wanted) != len(found) or any(differs(*pair) for pair in zip(wanted, found, strict=True))
    by_key = {each.get(merge_key): each for each in found}
    return any(differs(each, by_key.get(each[merge_key])) for each in wanted)
