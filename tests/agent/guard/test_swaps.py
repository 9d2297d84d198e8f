"""How much memory swapping can still give, from /proc/swaps and mm_stat as the kernel writes them."""

import pytest

from oompolicy_agent.guard.swaps import Room, SwapArea, Zram, parse_mm_stat, parse_swaps, swap_room, zram_number

MIB = 1 << 20
SWAPS = """Filename				Type		Size		Used		Priority
/dev/zram0                              partition	262140		1024		100
/var/lib/swap\\040file                   file		524284		0		-2
"""
MM_STAT = "67108864 16777216 17825792 33554432 17825792        0        0        0        0\n"
WITHOUT_BOUND = 10**12


def area(size: int, *, used: int = 0, priority: int = 0, zram: Zram | None = None) -> SwapArea:
    return SwapArea("/dev/x", size, used, priority, zram=zram)


def half(stored: int = 1000 * MIB, limit: int = 0) -> Zram:
    """A device that keeps half of what it is given."""
    return Zram(stored, stored // 2, limit)


def test_reads_what_is_swapped_to() -> None:
    assert parse_swaps(SWAPS) == [
        SwapArea("/dev/zram0", 262140 * 1024, MIB, 100, is_partition=True),
        SwapArea("/var/lib/swap\\040file", 524284 * 1024, 0, -2, is_partition=False),
    ]


def test_without_swap_there_is_only_the_title() -> None:
    assert parse_swaps(SWAPS.splitlines(keepends=True)[0]) == []


@pytest.mark.parametrize(
    ("name", "is_partition", "expected"),
    [
        pytest.param("/dev/zram0", True, 0, id="on-the-host"),
        pytest.param("/zram12", True, 12, id="seen-from-a-container"),
        pytest.param("/dev/sda2", True, None, id="disk"),
        pytest.param("/dev/zram0", False, None, id="file-of-that-name"),
        pytest.param("/dev/mapper/zram0", True, None, id="other-device-of-that-name"),
    ],
)
def test_tells_zram_from_a_disk(name: str, is_partition: bool, expected: int | None) -> None:
    assert zram_number(SwapArea(name, 1, 0, 0, is_partition)) == expected


def test_reads_the_state_of_a_zram_device() -> None:
    assert parse_mm_stat(MM_STAT) == Zram(stored=64 * MIB, used=17 * MIB, limit=32 * MIB)


@pytest.mark.parametrize("text", [pytest.param(None, id="gone"), pytest.param("1 2", id="short"), "no numbers at all"])
def test_a_device_whose_state_cannot_be_read_counts_for_half(text: str | None) -> None:
    assert parse_mm_stat(text).gain == 0.5


@pytest.mark.parametrize(
    ("stored", "used", "expected"),
    [
        pytest.param(100 * MIB, 25 * MIB, 0.75, id="compressible"),
        pytest.param(100 * MIB, 100 * MIB, 0.0, id="incompressible"),
        pytest.param(100 * MIB, 104 * MIB, 0.0, id="metadata-makes-it-a-loss"),
        pytest.param(15 * MIB, 0, 0.5, id="too-little-to-tell"),
    ],
)
def test_zram_gives_what_its_compression_saves(stored: int, used: int, expected: float) -> None:
    assert Zram(stored, used, 0).gain == expected


@pytest.mark.parametrize(
    ("zram", "free"),
    [
        pytest.param(half(), 9000 * MIB, id="no-limit"),
        pytest.param(half(limit=600 * MIB), 200 * MIB, id="limit-near"),
        pytest.param(half(limit=500 * MIB), 0, id="limit-reached"),
        pytest.param(half(limit=400 * MIB), 0, id="limit-lowered-below-use"),
        pytest.param(Zram(1000 * MIB, 0, 4096), 9000 * MIB, id="costs-nothing"),
    ],
)
def test_a_zram_device_is_full_when_its_memory_limit_is_reached(zram: Zram, free: int) -> None:
    assert area(10_000 * MIB, used=1000 * MIB, zram=zram).free == free


@pytest.mark.parametrize(
    ("used", "pods_may_swap", "expected"),
    [
        pytest.param(0, 1000, 90, id="above-the-reserve"),
        pytest.param(90, 1000, 0, id="reserve-reached"),
        pytest.param(95, 1000, 0, id="below-the-reserve"),
        pytest.param(0, 0, 0, id="no-pod-may-swap"),
        pytest.param(0, 30, 30, id="pods-may-swap-less"),
    ],
)
def test_a_disk_gives_what_is_free_above_the_reserve(used: int, pods_may_swap: int, expected: int) -> None:
    assert swap_room([area(100, used=used)], pods_may_swap, 10) == Room(expected, expected)


@pytest.mark.parametrize(
    ("areas", "pods_may_swap", "expected"),
    [
        pytest.param([area(100, zram=half())], WITHOUT_BOUND, Room(90, 45), id="zram-only"),
        pytest.param([area(100, zram=half())], 40, Room(40, 20), id="what-pods-may-swap-is-compressed-too"),
        pytest.param([area(100, priority=9, zram=half()), area(100)], 120, Room(120, 70), id="zram-is-filled-first"),
        pytest.param([area(100, zram=half()), area(100, priority=9)], 120, Room(120, 110), id="disk-is-filled-first"),
        pytest.param([area(100, priority=9, zram=half()), area(100)], WITHOUT_BOUND, Room(180, 130), id="reserve-last"),
        pytest.param([area(100), area(100, zram=half())], 100, Room(100, 50), id="equal-priority-promises-the-less"),
        pytest.param([area(100, used=100, zram=half()), area(100)], WITHOUT_BOUND, Room(80, 80), id="zram-is-full"),
        pytest.param([], WITHOUT_BOUND, Room(0, 0), id="nothing"),
    ],
)
def test_swap_is_filled_in_the_kernels_order(areas: list[SwapArea], pods_may_swap: int, expected: Room) -> None:
    assert swap_room(areas, pods_may_swap, 10) == expected
