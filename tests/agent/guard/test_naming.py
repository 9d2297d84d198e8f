"""A container is found by the name in its bundle before the API server knows its id."""

import pytest

from oompolicy_agent.guard.layout import Place, classify
from oompolicy_agent.guard.naming import identified
from oompolicy_agent.guard.targets import ContainerTarget, PodTarget, Targets

TOP = classify("/kubepods", 1, None)
POD = classify("/kubepods/podshop", 2, TOP)
OLD = ContainerTarget("app", "old", 7, 100)
WAITING = ContainerTarget("exporter", "", 10, 200)
TARGETS = Targets(pods={"shop": PodTarget("shop", "n", "shop", 900, containers={"old": OLD}, waiting=(WAITING,))})


def container(name: str, pod: Place = POD) -> Place:
    return classify(f"{pod.path}/{name}", 3, pod)


def known(container_id: str, name: str | None) -> ContainerTarget | None:
    names = {container_id: name} if name else {}
    found = identified(TARGETS, [TOP, POD, container(container_id)], names)
    return found.pods["shop"].containers.get(container_id)


@pytest.mark.parametrize(
    ("container_id", "name", "target"),
    [
        pytest.param("new", "exporter", ContainerTarget("exporter", "new", 10, 200), id="one-that-had-not-run-yet"),
        pytest.param("new", "app", ContainerTarget("app", "new", 7, 100), id="one-that-has-been-restarted"),
        pytest.param("old", "exporter", OLD, id="one-whose-id-is-known-keeps-what-the-api-server-says"),
        pytest.param("new", "debugger", None, id="one-that-nobody-has-heard-of"),
        pytest.param("new", None, None, id="one-whose-bundle-is-not-there-yet"),
    ],
)
def test_a_container_has_the_target_of_its_name(
    container_id: str, name: str | None, target: ContainerTarget | None
) -> None:
    assert known(container_id, name) == target


def test_a_pod_that_nobody_told_us_about_stays_unknown() -> None:
    stranger = classify("/kubepods/podstranger", 9, TOP)
    assert identified(TARGETS, [TOP, stranger, container("new", stranger)], {"new": "app"}) is TARGETS


def test_the_targets_stay_the_same_object_where_there_is_nothing_to_add() -> None:
    both = Targets(pods=TARGETS.pods, audit=TARGETS)
    assert identified(both, [TOP, POD, container("old")], {"old": "app"}) is both


def test_the_policy_that_audits_knows_it_too() -> None:
    found = identified(Targets(audit=TARGETS), [TOP, POD, container("new")], {"new": "app"})
    assert found.audit
    assert found.audit.pods["shop"].containers["new"].priority == 7
