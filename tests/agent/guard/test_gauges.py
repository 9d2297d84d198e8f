"""What is measured, and that a stall counts only for the domain that had to reclaim."""

import os
from pathlib import Path

import pytest

from guard_host import FakeHost
from oompolicy_agent.guard.gauges import Gauges, Reading
from oompolicy_agent.guard.memcgs import CgroupFS
from oompolicy_agent.guard.settings import Limits

MIB = 1 << 20
STALL = 100


class Meter:
    """Gauges over a host that is always stalled."""

    def __init__(self, folder: Path) -> None:
        self.host = FakeHost(folder)
        self.host.memcg("/kubepods", current=600, file=100, limit=1000)
        self.gauges = Gauges(
            CgroupFS(str(self.host.cgroups)), str(self.host.proc), Limits(), lambda *_: STALL, sys=str(self.host.sys)
        )
        self.read()

    def read(self, pods_may_swap: int = 0) -> Reading:
        """One look."""
        return self.gauges.read("/kubepods", lambda: pods_may_swap)


@pytest.fixture
def meter(tmp_path: Path) -> Meter:
    return Meter(tmp_path)


def test_measures_node_and_pods(meter: Meter) -> None:
    meter.host.meminfo(available=300, free=200, inactive_file=50)
    reading = meter.read()
    assert (reading.node.margin, reading.node.size) == (300 * MIB, 2000 * MIB)
    assert reading.node.kubelet_signal == 250 * MIB
    assert reading.pods
    assert (reading.pods.margin, reading.pods.size, reading.pods.kubelet_signal) == (400 * MIB, 1000 * MIB, None)


def test_pods_without_a_limit_are_no_domain(meter: Meter) -> None:
    meter.host.memcg("/kubepods", current=600)
    assert meter.read().pods is None


def test_pods_that_are_gone_are_no_domain(meter: Meter) -> None:
    assert meter.gauges.read("/gone", lambda: 0).pods is None
    assert meter.gauges.read(None, lambda: 0).pods is None


def test_counts_what_the_kernel_killed(meter: Meter) -> None:
    meter.host.vmstat(oom_kills=3)
    assert meter.read().kernel_kills == 3


def test_a_stall_counts_for_the_node_only_after_direct_reclaim(meter: Meter) -> None:
    """S24: a pod that reclaims against its own limit stalls, too."""
    assert meter.read().node.stall_milliseconds == 0
    meter.host.vmstat(stalls=1)
    assert meter.read().node.stall_milliseconds == STALL


def test_a_stall_counts_for_the_pods_only_after_they_met_their_limit(meter: Meter) -> None:
    meter.host.vmstat(stalls=1)
    reading = meter.read()
    assert reading.pods
    assert reading.pods.stall_milliseconds == 0
    (meter.host.cgroups / "kubepods/memory.events.local").write_text("max 5\n")
    reading = meter.read()
    assert reading.pods
    assert reading.pods.stall_milliseconds == STALL


@pytest.mark.parametrize(
    ("may", "expected"), [pytest.param(1000 * MIB, 90 * MIB, id="may-swap"), pytest.param(0, 0, id="may-not")]
)
def test_swap_counts_as_far_as_the_pods_may_use_it(meter: Meter, may: int, expected: int) -> None:
    meter.host.meminfo(available=300, swap=(100, 100))
    reading = meter.read(may)
    assert (reading.node.swap, reading.node.has_swap) == (expected, True)


def test_swap_to_zram_gives_the_node_less_than_it_takes_from_the_pods(meter: Meter) -> None:
    meter.host.meminfo(available=300, swap=(300, 200))
    meter.host.swaps(("/dev/zram0", 200, 100, 100), ("/dev/vdb", 100, 0, -2))
    meter.host.zram(0, stored=100, used=40)
    reading = meter.read(1000 * MIB)
    assert reading.node.swap == (60 + 70) * MIB
    assert reading.pods
    assert (reading.pods.swap, reading.pods.has_swap) == (170 * MIB, True)


def test_zram_that_its_memory_limit_has_filled_gives_nothing(meter: Meter) -> None:
    meter.host.meminfo(available=300, swap=(200, 100))
    meter.host.swaps(("/dev/zram0", 200, 100, 100))
    meter.host.zram(0, stored=100, used=40, limit=40)
    assert meter.read(1000 * MIB).node.swap == 0


def test_page_cache_that_memory_min_keeps_is_no_margin(tmp_path: Path) -> None:
    meter = Meter(tmp_path / "other")
    meter.host.mounts(recursive=True)
    meter.host.meminfo(available=300)
    meter.host.protect("/system.slice", current=80, cache=50, minimum=70)
    meter.host.protect("/kubepods/pod1", current=90, cache=30, minimum=100)
    with (meter.host.cgroups / "kubepods/memory.stat").open("a") as stat:
        stat.write(f"inactive_file {100 * MIB}\n")
    gauges = Gauges(CgroupFS(str(meter.host.cgroups)), str(meter.host.proc), Limits(), lambda *_: 0)
    reading = gauges.read("/kubepods", lambda: 0)
    assert reading.node.margin == (300 - 40) * MIB
    assert reading.pods
    assert reading.pods.margin == (400 + 100 - 30) * MIB


def test_a_look_at_the_node_reads_two_files(meter: Meter, monkeypatch: pytest.MonkeyPatch) -> None:
    meter.gauges.read(None, lambda: 0)
    read = []
    pread = os.pread

    def recorded(descriptor: int, size: int, offset: int) -> bytes:
        read.append(descriptor)
        return pread(descriptor, size, offset)

    monkeypatch.setattr(os, "pread", recorded)
    monkeypatch.setattr(os, "open", None)
    meter.gauges.read(None, lambda: 0)
    assert len(set(read)) == 2


def test_a_stall_of_pods_whose_memcg_was_made_anew_does_not_count(meter: Meter) -> None:
    """Its counters begin at zero: that is no rise, and what rises later is one."""
    events = meter.host.cgroups / "kubepods/memory.events.local"
    events.write_text("max 5\n")
    meter.read()
    meter.gauges.read(None, lambda: 0)
    events.write_text("max 3\n")
    reading = meter.read()
    assert reading.pods
    assert reading.pods.stall_milliseconds == 0


def test_throttling_at_memory_high_is_no_stall_of_the_pods(meter: Meter) -> None:
    (meter.host.cgroups / "kubepods/memory.events.local").write_text("low 0\nhigh 900\nmax 0\noom 0\noom_kill 0\n")
    reading = meter.read()
    assert reading.pods
    assert reading.pods.stall_milliseconds == 0


def test_names_what_meminfo_lacks(meter: Meter) -> None:
    (meter.host.proc / "meminfo").write_text("MemTotal: 1 kB\n")
    with pytest.raises(KeyError, match="MemAvailable"):
        meter.read()
