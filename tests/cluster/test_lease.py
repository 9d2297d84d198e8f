"""Of any number of operators one works: the one that holds the Lease."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.control_plane import ControlPlane
from lab.daemon import wait_for
from operating.process import Operator, helm

pytestmark = pytest.mark.cluster

LEASE_SECONDS = 15
PATIENCE_SECONDS = 60.0


@pytest.fixture
def make(control_plane: ControlPlane, tmp_path: Path) -> Iterator[Callable[[str], Operator]]:
    helm(control_plane, "upgrade", "--install", "--set=crds.install=false")
    made: list[Operator] = []

    def make(name: str) -> Operator:
        folder = tmp_path / name
        folder.mkdir()
        made.append(Operator(control_plane, folder))
        return made[-1]

    yield make
    for each in made:
        each.stop()


def holder(control_plane: ControlPlane) -> str:
    return control_plane.kubectl("get", "lease", "oompolicy-operator", "-o", "jsonpath={.spec.holderIdentity}")


def one_at_work_and_one_waiting(make: Callable[[str], Operator]) -> tuple[Operator, Operator]:
    first, second = make("first"), make("second")
    first.start()
    process = second.launch()
    wait_for(
        "it waits",
        lambda: any(line["msg"] == "Waits for Lease" for line in second.lines()),
        daemon=process,
        patience_seconds=PATIENCE_SECONDS,
    )
    return first, second


def seconds_until_ready(operator: Operator) -> float:
    assert operator.process
    start = time.monotonic()
    wait_for("its turn", operator.is_ready, daemon=operator.process, patience_seconds=PATIENCE_SECONDS)
    return time.monotonic() - start


def test_second_operator_waits_alive_and_is_told_for_whom(
    make: Callable[[str], Operator], control_plane: ControlPlane
) -> None:
    first, second = one_at_work_and_one_waiting(make)
    assert second.ask("healthz") == "ok\n"
    assert not second.is_ready()
    held = next(line["holder"] for line in second.lines() if line["msg"] == "Waits for Lease")
    assert held == holder(control_plane)
    assert "oompolicy_operator_leading 0.0" in second.ask("metrics")
    assert "oompolicy_operator_leading 1.0" in first.ask("metrics")


def test_operator_that_ends_gives_the_lease_back_at_once(
    make: Callable[[str], Operator], control_plane: ControlPlane
) -> None:
    first, second = one_at_work_and_one_waiting(make)
    first.stop()
    assert any(line["msg"] == "Released Lease" for line in first.lines())
    seconds_until_ready(second)
    second.stop()
    assert holder(control_plane) == ""


def test_operator_that_is_killed_is_followed_when_its_lease_has_run_out(make: Callable[[str], Operator]) -> None:
    first, second = one_at_work_and_one_waiting(make)
    first.kill()
    assert seconds_until_ready(second) > LEASE_SECONDS / 2, "not while the dead one may still be at work"


def test_waiting_operator_ends_when_it_is_told_to(make: Callable[[str], Operator]) -> None:
    _, second = one_at_work_and_one_waiting(make)
    assert second.process
    second.process.process.terminate()
    assert second.process.process.wait(PATIENCE_SECONDS) == 0


def test_operator_that_cannot_renew_ends_with_an_error(
    make: Callable[[str], Operator], control_plane: ControlPlane
) -> None:
    first = make("first")
    first.start()
    control_plane.stop_api_server()
    try:
        assert first.process
        assert first.process.process.wait(PATIENCE_SECONDS) == 1
        assert "was not renewed" in first.lines()[-1]["err"]
    finally:
        control_plane.start_api_server()
