"""Kubelet's threshold, as its configuration writes it."""

from typing import Any

import pytest

from oompolicy_agent.sync.kubelet import hard_eviction_bytes

GIBIBYTE = 1 << 30


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        pytest.param({"evictionHard": {"memory.available": "100Mi"}}, 104857600, id="quantity"),
        pytest.param({"evictionHard": {"memory.available": "10%"}}, GIBIBYTE // 10, id="percentage"),
        pytest.param({"evictionHard": {"nodefs.available": "10%"}}, 0, id="not-for-memory"),
        pytest.param({"evictionHard": None}, 0, id="switched-off"),
        pytest.param({}, 0, id="absent"),
    ],
)
def test_the_hard_threshold_in_bytes(config: dict[str, Any], expected: int) -> None:
    assert hard_eviction_bytes(config, GIBIBYTE) == expected


@pytest.mark.parametrize("threshold", ["much", "x%"])
def test_anything_else_is_refused(threshold: str) -> None:
    with pytest.raises(ValueError, match=threshold[0]):
        hard_eviction_bytes({"evictionHard": {"memory.available": threshold}}, GIBIBYTE)
