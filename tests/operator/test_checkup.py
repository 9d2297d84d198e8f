"""What an installation is asked."""

from datetime import UTC, datetime
from typing import Any

import pytest

from oompolicy_operator.checkup import is_held

NOW = datetime(2026, 11, 25, 18, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("spec", "held"),
    [
        pytest.param({"holderIdentity": "a_1", "renewTime": "2026-11-25T17:59:50.000000Z"}, True, id="held"),
        pytest.param({"holderIdentity": "a_1", "renewTime": "2026-11-25T17:59:20.000000Z"}, False, id="run-out"),
        pytest.param({"holderIdentity": "", "renewTime": "2026-11-25T17:59:50.000000Z"}, False, id="given-back"),
        pytest.param({"holderIdentity": "a_1"}, False, id="never-renewed"),
        pytest.param(None, False, id="no-lease"),
    ],
)
def test_lease_is_held_by_whoever_renews_it(spec: dict[str, Any] | None, *, held: bool) -> None:
    assert is_held(None if spec is None else {"spec": spec}, NOW) is held
