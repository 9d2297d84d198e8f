"""The OOM handler is put in force once, told again in time, and taken out of force when nobody wants it."""

import time
from pathlib import Path

import pytest

from fake_hook import FakeHook
from oompolicy_agent.guard import hook_keeper
from oompolicy_agent.guard.hook import Hook
from oompolicy_agent.guard.hook_abi import Mode, Outcome, Verdict
from oompolicy_agent.guard.hook_keeper import VALID_SECONDS, HookKeeper
from oompolicy_agent.guard.targets import Policy

POLICY = Policy("mixed", "6f1c", 1, "Enforce", default_priority=500)


@pytest.fixture
def kernel() -> FakeHook:
    return FakeHook()


@pytest.fixture
def keeper(kernel: FakeHook, tmp_path: Path) -> HookKeeper:
    return HookKeeper(kernel, str(tmp_path))  # type: ignore[arg-type] # it is a fake


def verdict(path: str) -> Verdict:
    return Verdict(1, 1, 2, 3, 4, 5, 6, Outcome.KILLED, 7, 8, 9, 0, path)


def said(kernel: FakeHook) -> list[str]:
    return [what for what, _ in kernel.told]


def test_it_is_told_once_as_long_as_nothing_changes(keeper: HookKeeper, kernel: FakeHook) -> None:
    for _ in range(3):
        keeper.keep(POLICY, with_swap=False)
    assert said(kernel) == ["put in force"]


def test_what_it_is_told_holds_for_a_quarter_of_an_hour(
    keeper: HookKeeper, kernel: FakeHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "clock_gettime_ns", lambda _: 1_000)
    keeper.keep(POLICY, with_swap=False)
    ((_, terms),) = kernel.told
    assert (terms.mode, terms.default_priority, terms.swap_page_bytes) == (Mode.ENFORCE, 500, 0)
    assert terms.valid_until == 1_000 + VALID_SECONDS * 10**9


@pytest.mark.parametrize(
    ("policy", "with_swap"),
    [
        pytest.param(Policy("mixed", "6f1c", 2, "Audit"), False, id="policy"),
        pytest.param(POLICY, True, id="swap"),
    ],
)
def test_a_change_is_told_at_once(keeper: HookKeeper, kernel: FakeHook, policy: Policy, with_swap: bool) -> None:
    keeper.keep(POLICY, with_swap=False)
    keeper.keep(policy, with_swap=with_swap)
    assert said(kernel) == ["put in force", "put in force"]


def test_it_is_put_in_force_again_long_before_it_expires_and_in_case_somebody_took_it_away(
    keeper: HookKeeper, kernel: FakeHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hook_keeper, "RENEW_SECONDS", 0)
    keeper.keep(POLICY, with_swap=False)
    keeper.keep(POLICY, with_swap=False)
    assert said(kernel) == ["put in force", "put in force"]


def test_what_was_decided_without_a_guard_comes_before_what_was_decided_since(
    keeper: HookKeeper, kernel: FakeHook
) -> None:
    before, since = (verdict(path) for path in ("/before", "/since"))
    kernel.left, kernel.decided = [before], [since]
    keeper.keep(POLICY, with_swap=False)
    assert [*keeper.take(), *keeper.take()] == [before, since]


def test_a_policy_that_nobody_knows_has_it_stand_aside(keeper: HookKeeper, kernel: FakeHook) -> None:
    keeper.keep(Policy("mixed", "6f1c", 1, "Off"), with_swap=False)
    assert kernel.told[0][1].mode is Mode.OFF


def test_the_fake_has_what_the_real_one_has() -> None:
    assert {name for name in vars(FakeHook) if not name.startswith("_")} <= {*vars(Hook)}
