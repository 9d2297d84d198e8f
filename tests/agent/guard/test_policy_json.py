"""The policy's numbers stand in for the guard's own, each within its bounds."""

from dataclasses import replace
from typing import Any

import pytest

from oompolicy_agent.guard.fields import FieldError
from oompolicy_agent.guard.findings import Findings
from oompolicy_agent.guard.policy_json import read_policy
from oompolicy_agent.guard.settings import Limits

OWN = Limits(threshold_bytes=123, cooldown_seconds=0.5)


def limits(policy: dict[str, Any], own: Limits = OWN) -> Limits:
    found = read_policy({"name": "mixed", "mode": "Enforce"} | policy, own, Findings())
    assert found
    return found.limits


@pytest.mark.parametrize(
    ("said", "allowed"),
    [
        pytest.param({}, (), id="absent"),
        pytest.param({"backends": []}, (), id="empty"),
        pytest.param({"backends": ["KernelHook", "Firmware"]}, ("KernelHook", "Firmware"), id="also-unknown-ones"),
    ],
)
def test_backends_are_those_that_are_allowed(said: dict[str, Any], allowed: tuple[str, ...]) -> None:
    found = read_policy({"name": "mixed", "mode": "Enforce"} | said, OWN, Findings())
    assert found
    assert found.backends == allowed


@pytest.mark.parametrize(
    ("backends", "message"),
    [
        pytest.param("Userspace", "policy.backends: expected a list", id="no-list"),
        pytest.param(["Userspace", 1], r"policy.backends\[1\]: expected", id="no-name"),
        pytest.param(["Userspace"] * 17, "at most 16 names", id="too-many"),
    ],
)
def test_backends_that_are_none_are_refused(backends: object, message: str) -> None:
    with pytest.raises(FieldError, match=message):
        read_policy({"name": "mixed", "mode": "Enforce", "backends": backends}, OWN, Findings())


@pytest.mark.parametrize(
    "policy",
    [
        pytest.param({}, id="absent"),
        pytest.param({"trigger": None, "budget": None}, id="null"),
        pytest.param({"trigger": {}, "budget": {}}, id="empty"),
        pytest.param(
            {"trigger": {"memoryAvailableBytes": None}, "budget": {"cooldownSeconds": None}}, id="fields-null"
        ),
    ],
)
def test_what_the_policy_does_not_say_stays_as_the_guard_has_it(policy: dict[str, Any]) -> None:
    assert limits(policy) == OWN


@pytest.mark.parametrize(
    ("policy", "changes"),
    [
        pytest.param({"trigger": {"memoryAvailableBytes": 2**53}}, {"threshold_bytes": 2**53}, id="bytes"),
        pytest.param({"trigger": {"memoryAvailablePercent": 50}}, {"threshold_percent": 50}, id="percent"),
        pytest.param({"trigger": {"pressureFullMilliseconds": 999}}, {"stall_milliseconds": 999}, id="pressure"),
        pytest.param({"trigger": {"windowMilliseconds": 500}}, {"window_milliseconds": 500}, id="shortest-window"),
        pytest.param({"trigger": {"windowMilliseconds": 10000}}, {"window_milliseconds": 10000}, id="longest-window"),
        pytest.param({"trigger": {"swapFreePercent": 0}}, {"swap_free_percent": 0}, id="swap"),
        pytest.param({"budget": {"cooldownSeconds": 0}}, {"cooldown_seconds": 0}, id="no-cooldown"),
        pytest.param({"budget": {"maximumKills": 100}}, {"maximum_kills": 100}, id="kills"),
        pytest.param({"budget": {"windowSeconds": 86400}}, {"budget_seconds": 86400}, id="budget-window"),
    ],
)
def test_each_number_of_the_policy_stands_in_for_one_of_the_guards(
    policy: dict[str, Any], changes: dict[str, Any]
) -> None:
    assert limits(policy) == replace(OWN, **changes)


def test_bytes_stand_in_for_a_percentage_of_the_guards_own() -> None:
    found = limits({"trigger": {"memoryAvailableBytes": 1000}}, Limits(threshold_percent=5))
    assert (found.threshold_bytes, found.threshold_percent) == (1000, None)


@pytest.mark.parametrize(
    ("place", "field", "value"),
    [
        pytest.param("trigger", "memoryAvailableBytes", 0, id="no-bytes"),
        pytest.param("trigger", "memoryAvailableBytes", 2**53 + 1, id="more-bytes-than-JSON-can-say"),
        pytest.param("trigger", "memoryAvailableBytes", "200Mi", id="a-quantity"),
        pytest.param("trigger", "memoryAvailablePercent", 0, id="no-percent"),
        pytest.param("trigger", "memoryAvailablePercent", 51, id="most-of-the-memory"),
        pytest.param("trigger", "pressureFullMilliseconds", 0, id="no-pressure"),
        pytest.param("trigger", "pressureFullMilliseconds", 10_000, id="as-long-as-the-longest-window"),
        pytest.param("trigger", "pressureFullMilliseconds", 1000, id="as-long-as-its-own-window"),
        pytest.param("trigger", "windowMilliseconds", 499, id="window-too-short-for-the-kernel"),
        pytest.param("trigger", "windowMilliseconds", 10_001, id="window-too-long-for-the-kernel"),
        pytest.param("trigger", "swapFreePercent", 101, id="more-than-all-swap"),
        pytest.param("budget", "cooldownSeconds", 3601, id="cooldown-over-an-hour"),
        pytest.param("budget", "cooldownSeconds", 0.5, id="a-fraction"),
        pytest.param("budget", "maximumKills", 0, id="no-kills"),
        pytest.param("budget", "maximumKills", 101, id="too-many-kills"),
        pytest.param("budget", "windowSeconds", 0, id="no-budget-window"),
        pytest.param("budget", "windowSeconds", 86_401, id="budget-window-over-a-day"),
    ],
)
def test_a_number_out_of_bounds_is_refused_by_name(place: str, field: str, value: object) -> None:
    with pytest.raises(FieldError, match=r"expected .*, found") as refused:
        limits({place: {field: value}})
    assert refused.value.field == f"policy.{place}.{field}"


def test_a_window_shorter_than_the_pressure_that_the_guard_has_itself_is_refused() -> None:
    with pytest.raises(FieldError, match="less than windowMilliseconds, which is 500, found 600"):
        limits({"trigger": {"windowMilliseconds": 500}}, Limits(stall_milliseconds=600))


def test_a_threshold_said_twice_is_refused() -> None:
    with pytest.raises(FieldError, match=r"^policy.trigger: expected at most one of .*, found \"both of them\""):
        limits({"trigger": {"memoryAvailableBytes": 1000, "memoryAvailablePercent": 5}})


@pytest.mark.parametrize("place", ["trigger", "budget"])
def test_numbers_outside_an_object_are_refused(place: str) -> None:
    with pytest.raises(FieldError, match=f"policy.{place}: expected an object"):
        limits({place: [1]})
