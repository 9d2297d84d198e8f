"""Policies as people keep them in files: apply, diff and server-side apply do what the file says, and nothing else."""

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any
from uuid import uuid4

import pytest

from lab.control_plane import ControlPlane, KubectlError
from operating.policies import FULL, Spec, policy

pytestmark = pytest.mark.cluster


@pytest.fixture
def name(control_plane: ControlPlane) -> Iterator[str]:
    """Of a policy that is gone after the test."""
    chosen = f"t{uuid4().hex[:8]}"
    yield chosen
    control_plane.kubectl("delete", "oomp", chosen, "--ignore-not-found")


def spec_of(control_plane: ControlPlane, name: str) -> dict[str, Any]:
    """What is stored."""
    return dict(json.loads(control_plane.kubectl("get", "oomp", name, "-o", "json"))["spec"])


def changed(**fields: object) -> Spec:
    """The full policy with other values; None takes a field out."""
    return {key: value for key, value in (deepcopy(FULL) | fields).items() if value is not None}


APPLY = pytest.mark.parametrize(
    "apply", [pytest.param((), id="client-side"), pytest.param(("--server-side",), id="server-side")]
)
SPECS = pytest.mark.parametrize("spec", [pytest.param({}, id="empty"), pytest.param(FULL, id="full")])


@APPLY
@SPECS
def test_what_was_applied_does_not_differ_and_is_not_changed_again(
    control_plane: ControlPlane, name: str, spec: Spec, apply: tuple[str, ...]
) -> None:
    text = policy(spec, name)
    control_plane.kubectl("apply", *apply, "-f", "-", input=text)
    generation = ("get", "oomp", name, "-o", "jsonpath={.metadata.generation}")
    assert control_plane.kubectl("diff", *apply, "-f", "-", input=text) == ""
    control_plane.kubectl("apply", *apply, "-f", "-", input=text)
    assert control_plane.kubectl(*generation) == "1"


@APPLY
def test_a_field_that_leaves_the_file_leaves_the_policy_or_has_its_default_again(
    control_plane: ControlPlane, name: str, apply: tuple[str, ...]
) -> None:
    control_plane.kubectl("apply", *apply, "-f", "-", input=policy(FULL, name))
    less = policy(changed(mode=None, trigger=None, hostCgroups=None), name)
    with pytest.raises(KubectlError):  # diff's way to say that there is a difference
        control_plane.kubectl("diff", *apply, "-f", "-", input=less)
    control_plane.kubectl("apply", *apply, "-f", "-", input=less)
    stored = spec_of(control_plane, name)
    assert stored["mode"] == "Enforce"
    assert not {"trigger", "hostCgroups"} & stored.keys()
    assert stored["rules"] == FULL["rules"]


def test_two_teams_keep_a_rule_each_in_one_policy(control_plane: ControlPlane, name: str) -> None:
    """Rules are merged by name, and nobody takes another one's rule by accident."""

    def apply(team: str, rule: str, priority: int) -> None:
        rules = [{"name": rule, "match": {"podSelector": {"matchLabels": {"app": rule}}}, "priority": priority}]
        manager = ("apply", "--server-side", f"--field-manager={team}")
        control_plane.kubectl(*manager, "-f", "-", input=policy({"rules": rules}, name))

    apply("platform", "databases", 900)
    apply("science", "batch", 10)
    apply("science", "batch", 20)
    assert {each["name"]: each["priority"] for each in spec_of(control_plane, name)["rules"]} == {
        "databases": 900,
        "batch": 20,
    }
    with pytest.raises(KubectlError, match=r'conflict with "platform".*\.spec\.rules\[name="databases"\]\.priority'):
        apply("science", "databases", 5)


def test_a_rule_is_changed_by_its_name_and_keeps_its_place(control_plane: ControlPlane, name: str) -> None:
    """The first rule that matches decides: their order is part of what they say."""
    control_plane.kubectl("apply", "--server-side", "-f", "-", input=policy(FULL, name))
    rules = [each | ({"priority": 901} if each["name"] == "databases" else {}) for each in FULL["rules"]]
    control_plane.kubectl("apply", "--server-side", "-f", "-", input=policy(changed(rules=rules), name))
    assert spec_of(control_plane, name)["rules"] == rules
    control_plane.kubectl("apply", "--server-side", "-f", "-", input=policy(changed(rules=rules[::-1]), name))
    assert spec_of(control_plane, name)["rules"] == rules[::-1]
