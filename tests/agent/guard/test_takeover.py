"""What a guard makes of the decision that the one before it could not finish."""

from pathlib import Path

import pytest

from guard_host import FakeHost
from oompolicy_agent.guard.execution import Means
from oompolicy_agent.guard.kill import Crew
from oompolicy_agent.guard.memcgs import CgroupFS
from oompolicy_agent.guard.takeover import victim_left
from oompolicy_agent.guard.waiting import Ending

POD = "/kubepods/podu"
PATH = f"{POD}/c"
KILL_PENDING = "SigPnd:\t0000000000000100\n"


class Scene:
    """A container that an intent was recorded for."""

    def __init__(self, folder: Path) -> None:
        self.host = FakeHost(folder)
        self.host.memcg(PATH, current=100, pids=(20,))
        self.host.memcg(POD, current=100)
        self.means = Means(CgroupFS(str(self.host.cgroups)), str(self.host.proc), Crew())
        victim = {"path": PATH, "id": self.means.cgroups.id_of(PATH), "podUid": "u", "container": "main"}
        self.record: dict[str, object] = {"id": "a", "domain": "/kubepods", "victim": victim, "dies": [PATH]}


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_who_was_sent_sigkill_is_waited_for(scene: Scene) -> None:
    (scene.host.proc / "20/status").write_text(KILL_PENDING)
    execution = victim_left(scene.record, scene.means)
    assert execution
    assert execution.decision.domain == "/kubepods"
    assert execution.look(0, must_hurry=False) is None
    scene.host.memcg(PATH)
    assert execution.look(0, must_hurry=False) is Ending.FREED
    assert not execution.was_struck


def test_who_is_exiting_is_waited_for(scene: Scene) -> None:
    folder = scene.host.memcg(PATH, current=100)
    (folder / "cgroup.events").write_text("populated 1\n")
    assert victim_left(scene.record, scene.means)


def test_who_was_not_signalled_is_no_victim(scene: Scene) -> None:
    assert victim_left(scene.record, scene.means) is None


def test_another_memcg_of_the_same_path_is_no_victim(scene: Scene) -> None:
    scene.host.memcg(PATH, current=100)
    scene.record["victim"] = {"path": PATH, "id": 4711}
    assert victim_left(scene.record, scene.means) is None


@pytest.mark.parametrize(
    "record",
    [
        pytest.param({}, id="empty"),
        pytest.param({"victim": None, "dies": []}, id="no-victim"),
        pytest.param({"victim": {"path": "kubepods", "id": 1}, "dies": ["/kubepods"]}, id="no-absolute-path"),
    ],
)
def test_a_record_that_says_nothing_of_use_is_passed_over(scene: Scene, record: dict[str, object]) -> None:
    assert victim_left(record, scene.means) is None
