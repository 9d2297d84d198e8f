"""What is measured, and that a stall counts only for the domain that had to reclaim."""

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
        self.gauges = Gauges(CgroupFS(str(self.host.cgroups)), str(self.host.proc), Limits(), lambda *_: STALL)
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


def test_names_what_meminfo_lacks(meter: Meter) -> None:
    (meter.host.proc / "meminfo").write_text("MemTotal: 1 kB\n")
    with pytest.raises(KeyError, match="MemAvailable"):
        meter.read()
