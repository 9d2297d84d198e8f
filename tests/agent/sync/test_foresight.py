"""What is said before memory runs out, because later it will be too late."""

import pytest

from oompolicy_agent.pods import parse_pod
from oompolicy_agent.resolve import Target
from oompolicy_agent.sync.foresight import warnings

GIBIBYTE = 1 << 30
NOBODY = "Policy p: nobody on this node may be killed: rules protect all {} pods that could be"
TOO_MUCH = (
    "Policy p: protected pods request {} of the 10.0 GiB that this node can allocate, more than 80 %: "
    "killing all others may free too little"
)


def target(protect: str | None = None, *, request: int = 0, source: str = "Rule", label: str = "") -> Target:
    """A pod that is protected, or has priority 0."""
    resources = {"requests": {"memory": str(request * GIBIBYTE)}}
    metadata = {"namespace": "shop", "name": "p", "uid": "u", "labels": {label: "x"} if label else {}}
    pod = parse_pod({"metadata": metadata, "spec": {"containers": [{"name": "main", "resources": resources}]}})
    return Target(pod, None if protect else 0, protect, "rule", source)


OURS = target(label="oompolicy.dev/policy")
CRITICAL = target("Always", request=9, source="Critical")


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        pytest.param([], [], id="nobody-there"),
        pytest.param([CRITICAL, OURS], [], id="nobody-but-what-is-on-every-node"),
        pytest.param([target("Always"), target("Always"), CRITICAL, OURS], [NOBODY.format(2)], id="nobody-may-die"),
        pytest.param([target("Always"), target("Request")], [], id="beyond-its-request-one-may-die"),
        pytest.param([target("Always"), target()], [], id="one-may-die"),
        pytest.param([target("Request", request=8), target(request=2)], [], id="just-not-too-much"),
        pytest.param(
            [target("Request", request=8), target("Always", request=1), target()],
            [TOO_MUCH.format("9.0 GiB")],
            id="too-much",
        ),
        pytest.param(
            [target("Always", request=9)], [NOBODY.format(1), TOO_MUCH.format("9.0 GiB")], id="nobody-and-too-much"
        ),
    ],
)
def test_warns(targets: list[Target], said: list[str]) -> None:
    assert list(warnings("p", targets, 10 * GIBIBYTE)) == said


def test_says_nothing_about_a_share_of_what_is_not_known() -> None:
    assert list(warnings("p", [target("Request", request=9)], 0)) == []
