"""How much memory is left, from numbers as the kernel writes them."""

import pytest

from oompolicy_agent.guard.margin import limited_margin, node_margin, parse_meminfo, protected_file
from oompolicy_agent.guard.memcgs import usage_bytes

MEMINFO = """MemTotal:         990244 kB
MemFree:          512000 kB
MemAvailable:     700000 kB
Buffers:            2048 kB
Active(file):      60000 kB
Inactive(file):    40000 kB
SwapTotal:        524284 kB
SwapFree:         500000 kB
HugePages_Total:       0
"""


def test_reads_meminfo_in_bytes() -> None:
    found = parse_meminfo(MEMINFO)
    assert found.available == 700000 * 1024
    assert found.total == 990244 * 1024
    assert (found.swap_total, found.swap_free) == (524284 * 1024, 500000 * 1024)


def test_kubelets_signal_counts_active_page_cache_as_used() -> None:
    assert parse_meminfo(MEMINFO).kubelet_signal == (512000 + 40000) * 1024


def test_names_a_line_that_is_missing() -> None:
    with pytest.raises(KeyError, match="MemAvailable"):
        parse_meminfo(MEMINFO.replace("MemAvailable", "MemGuessed"))


@pytest.mark.parametrize(
    ("counters", "expected"),
    [
        pytest.param({}, 20, id="room-only"),
        pytest.param({"active_file": 5, "inactive_file": 7}, 32, id="clean-page-cache-can-be-had"),
        pytest.param({"active_file": 5, "inactive_file": 7, "file_dirty": 4, "file_writeback": 2}, 26, id="dirty-not"),
        pytest.param({"inactive_file": 1, "file_dirty": 9}, 20, id="dirty-never-counts-against"),
        pytest.param({"slab_reclaimable": 11}, 25, id="half-the-slab"),
    ],
)
def test_margin_below_a_limit(counters: dict[str, int], expected: int) -> None:
    assert limited_margin(100, 80, counters) == expected


def test_protected_page_cache_is_no_margin_below_a_limit() -> None:
    counters = {"active_file": 5, "inactive_file": 7, "file_dirty": 2}
    assert limited_margin(100, 80, counters, protected=4) == 26
    assert limited_margin(100, 80, counters, protected=12) == 20


def test_protected_page_cache_is_no_margin_of_the_node() -> None:
    meminfo = parse_meminfo(MEMINFO)
    assert node_margin(meminfo, 100 * 1024) == (700000 - 100) * 1024
    assert node_margin(meminfo, 800000 * 1024) == 0


@pytest.mark.parametrize(
    ("minimum", "usage", "expected"),
    [
        pytest.param(0, 100, 0, id="no-minimum"),
        pytest.param(40, 100, 0, id="reclaim-ends-with-the-page-cache"),
        pytest.param(80, 100, 10, id="reclaim-stops-at-the-minimum"),
        pytest.param(100, 100, 30, id="at-the-minimum"),
        pytest.param(900, 100, 30, id="all-of-it-below-the-minimum"),
    ],
)
def test_page_cache_that_a_minimum_keeps(minimum: int, usage: int, expected: int) -> None:
    """Of 30 that are page cache; the rest of the usage is memory of processes."""
    assert protected_file(minimum, usage, 30) == expected


@pytest.mark.parametrize(
    ("swap", "counters", "expected"),
    [
        pytest.param(0, {"file": 0, "shmem": 0}, 100, id="anonymous"),
        pytest.param(0, {"file": 30, "shmem": 0}, 70, id="page-cache-is-not-its-fault"),
        pytest.param(0, {"file": 30, "shmem": 30}, 100, id="shared-memory-is"),
        pytest.param(0, {"slab_reclaimable": 10}, 90, id="slab-that-can-be-had"),
        pytest.param(40, {"swapcached": 15}, 125, id="swap-counts-once"),
        pytest.param(0, {"file": 900, "shmem": 0}, 0, id="never-negative"),
    ],
)
def test_usage_is_what_a_kill_gives_back(swap: int, counters: dict[str, int], expected: int) -> None:
    assert usage_bytes(100, swap, counters) == expected
