"""A hog that takes memory at 30 MiB/s, at 300 MiB/s and as fast as it can: who dies, in which order, who kills.

Right is: batch first, because it matters least, although kubelet made it the kernel's last choice; then the hog; never
the critical one; and no kill of the kernel's own as long as the hog is slower than what the guard says it survives.
"""

import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from guard_scene import CGROUPS, GENEROUS, Pod, Scene
from lab.guest_process import GuestProcess
from lab.vm import VM, boot_vm
from oompolicy_agent.guard.clock import parse
from proofs import WHOLE

pytestmark = pytest.mark.vm

CRITICAL = Pod("crit", priority=900, qos="burstable", oom_score_adj=600, request_mebibytes=300)
BATCH = Pod("batch", priority=10, oom_score_adj=-997, request_mebibytes=150)
HOG = Pod("hog", priority=100, qos="besteffort", oom_score_adj=1000)
KILLED = -signal.SIGKILL
MIB = 1 << 20
FASTEST = 0
KUBEPODS_LIMIT_MIB = 600
SWAP_MIB = 512
LARGEST_SHARE = 4
"""A domain's threshold is one part in this many of it, unless that is more than the node's."""

WITH_SWAP = [pytest.param("swapping", id="with-swap")] if WHOLE else []

rates = pytest.mark.parametrize(
    "rate",
    [
        pytest.param(30, id="30-MiB-per-second"),
        pytest.param(300, id="300-MiB-per-second"),
        pytest.param(FASTEST, id="as-fast-as-it-can"),
    ],
)
domains = pytest.mark.parametrize("domain", [pytest.param("/", id="node"), pytest.param("/kubepods", id="kubepods")])


@pytest.fixture(scope="module")
def swapping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VM]:
    """A machine with swap, for all tests here that want one."""
    with boot_vm(swap_mib=SWAP_MIB, folder=tmp_path_factory.mktemp("vm")) as machine:
        yield machine


@pytest.fixture(params=[pytest.param("vm", id="without-swap"), *WITH_SWAP])
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    scene = Scene(request.getfixturevalue(request.param))
    scene.build(CRITICAL, BATCH, HOG)
    scene.tell()
    yield scene
    scene.clear()


@dataclass(frozen=True, slots=True)
class Run:
    """What came of one hog."""

    reached: float
    """MiB/s, before anybody was in its way."""
    survivable: float
    """MiB/s that the guard says it survives in this domain."""
    kernel_kills: int
    records: list[dict[str, Any]]

    @property
    def is_survivable(self) -> bool:
        """Whether the guard has promised to be first."""
        return self.reached < self.survivable

    @property
    def deaths(self) -> list[str]:
        """Who died, first to last, with a mark for those whom the kernel took."""
        by_time = sorted(self.records, key=lambda record: parse(record["time"]) or 0.0)
        return [_name(record) for record in by_time if record["outcome"] not in ("NothingEligible", "GaveUp")]

    def __str__(self) -> str:
        first = next((record for record in self.records if record["trigger"]), None)
        margin = (
            "-" if first is None else f"{first['trigger']['marginBytes'] // MIB} MiB ({first['trigger']['reason']})"
        )
        took = [list(record["milliseconds"].values()) for record in self.records if record["trigger"]]
        return (
            f"{self.reached:.0f} MiB/s of {self.survivable:.0f} survivable | {' '.join(self.deaths)} | "
            f"first margin {margin} | {took} ms to signal, empty, freed | {self.kernel_kills} by the kernel"
        )


@domains
@rates
def test_the_least_important_dies_first_then_the_hog_and_the_critical_one_never(
    scene: Scene, rate: int, domain: str, request: pytest.FixtureRequest
) -> None:
    if domain != "/":
        scene.vm.write(f"{CGROUPS}{domain}/memory.max", str(KUBEPODS_LIMIT_MIB * MIB))
    guard = scene.guard()
    critical, batch = scene.hold(CRITICAL, 200, touch=True), scene.hold(BATCH, 150)
    survivable = survivable_mib(scene, domain)
    kernel_kills = scene.counter("/proc/vmstat", "oom_kill")
    hog = scene.grow(HOG, rate)
    hog.wait(GENEROUS)
    scene.wait_until("every death is in the journal", lambda: are_told(scene, batch, hog, critical))

    by_kernel = scene.counter("/proc/vmstat", "oom_kill") - kernel_kills
    run = Run(reached(hog), survivable, by_kernel, scene.journal())
    print(f"| {request.node.callspec.id} | {run}")
    scene.wait_until("all that the kernel took is counted", lambda: scene.status()["kernelKills"] == by_kernel)
    assert guard.process.returncode is None
    if run.is_survivable:
        assert run.deaths == ["batch", "hog"]
        assert (batch.returncode, hog.returncode, critical.returncode) == (KILLED, KILLED, None)
        assert by_kernel == 0
        assert {record["domain"] for record in run.records} == {domain}
        assert scene.sandboxes_alive() == ["crit", "batch", "hog"]


def survivable_mib(scene: Scene, domain: str) -> float:
    """What the status says of the node, and for a domain with a limit as much less as its threshold is smaller."""
    status = scene.status()
    threshold = status["thresholdBytes"]
    own = threshold if domain == "/" else min(threshold, KUBEPODS_LIMIT_MIB * MIB // LARGEST_SHARE)
    return float(status["survivableGrowthBytesPerSecond"] * own / threshold / MIB)


def reached(hog: GuestProcess) -> float:
    """MiB/s at its best, over at least a third of a second or what it had."""
    said = [
        (int(size), float(seconds)) for size, seconds in re.findall(r"holding (\d+) MiB after ([\d.]+) s", hog.stdout)
    ]
    long = [(size, seconds) for size, seconds in said if seconds > 0.3] or said[-1:]
    return max((size / max(seconds, 0.01) for size, seconds in long), default=0.0)


def are_told(scene: Scene, *processes: GuestProcess) -> bool:
    """Whether there are as many records as dead processes; the last record comes a moment after the death."""
    deaths = sum(process.returncode is not None for process in processes)
    return len([record for record in scene.journal() if record["outcome"] != "NothingEligible"]) >= deaths


def _name(record: dict[str, Any]) -> str:
    victim = record["victim"] or {}
    name = victim.get("pod") or victim.get("path") or "somebody outside the pods"
    return f"{name} (by the kernel)" if record["outcome"] == "KernelKilled" else str(name)
