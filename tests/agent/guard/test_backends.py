"""Which backend chooses: what the policy allows and what works, and what happens when one works no more."""

from pathlib import Path
from typing import Any

import pytest

from fake_hook import FakeHook
from guard_host import FakeHost
from oompolicy_agent.guard import backends
from oompolicy_agent.guard.assist import Assist
from oompolicy_agent.guard.assist_abi import Answer, RunError
from oompolicy_agent.guard.assist_load import Loaded, RefusedError
from oompolicy_agent.guard.backends import Backends
from oompolicy_agent.guard.census import Census
from oompolicy_agent.guard.chooser import Chooser
from oompolicy_agent.guard.hook_abi import Outcome, Verdict
from oompolicy_agent.guard.log import Log
from oompolicy_agent.guard.memcgs import CgroupFS
from oompolicy_agent.guard.sandboxes import Roles
from oompolicy_agent.guard.settings import Limits
from oompolicy_agent.guard.targets import ContainerTarget, PodTarget, Policy, Targets

ALL = Policy("mixed", "6f1c", 1, "Enforce")
NOBODY: frozenset[int] = frozenset()
NOTHING: frozenset[str] = frozenset()


class Broken:
    """In the place of a kernel that has loaded the program, and then refuses: a real one cannot be made to."""

    def __init__(self, _: Loaded) -> None:
        self.asked = 0

    def tell(self, wanted: Any) -> None:  # noqa: ANN401 - not looked at
        """Takes it."""

    def exclude(self, ids: Any) -> None:  # noqa: ANN401 - not looked at
        """Takes it."""

    def readmit(self) -> None:
        """Has excluded nobody."""

    def ask(self, domain: int, policy: Policy, *, with_swap: bool) -> Answer:
        """Answers once, with nobody."""
        self.asked += 1
        if self.asked > 1:
            raise OSError("gone")
        assert (domain > 0, policy.mode, with_swap) == (True, "Enforce", False)
        return Answer(RunError.OK, 0, 0, 0, 0, 0)


@pytest.fixture
def found(tmp_path: Path) -> Backends:
    """On a host with one pod, without any program for the kernel."""
    host = FakeHost(tmp_path)
    host.memcg("/kubepods/podlow")
    host.memcg("/kubepods/podlow/low-main", current=100, pids=(1000,))
    cgroups, proc = CgroupFS(str(host.cgroups)), str(host.proc)
    return Backends(Chooser(cgroups, Census(cgroups, Roles(str(host.root)), Limits(), "", proc), proc), Log())


@pytest.fixture
def assisted(found: Backends, monkeypatch: pytest.MonkeyPatch) -> Backends:
    """The same with a program that was loaded."""
    monkeypatch.setattr(backends, "Assist", Broken)
    found.adopt(Loaded(-1, -1))
    return found


def policy(*allowed: str) -> Policy:
    return Policy("mixed", "6f1c", 1, "Enforce", backends=allowed)


def told(*allowed: str) -> Targets:
    main = ContainerTarget("main", "low-main")
    return Targets(policy(*allowed), {"low": PodTarget("low", "shop", "low", 10, containers={main.id: main})})


def choose(found: Backends, targets: Targets) -> str | None:
    choice = found.choose(targets, "/", with_swap=False, excluded=NOBODY, futile=NOTHING)
    return choice.victim.path if choice else None


@pytest.mark.parametrize(
    ("allowed", "without", "with_it"),
    [
        pytest.param((), "Userspace", "KernelAssist", id="all"),
        pytest.param(("Userspace", "KernelAssist"), "Userspace", "Userspace", id="the-first-that-works"),
        pytest.param(("KernelHook", "KernelAssist"), None, "KernelAssist", id="never-one-that-is-not-allowed"),
        pytest.param(("KernelHook",), None, None, id="none-that-works"),
        pytest.param(("Firmware", "Userspace"), "Userspace", "Userspace", id="one-that-nobody-knows"),
    ],
)
def test_the_first_that_is_allowed_and_works_is_in_force(
    found: Backends, request: pytest.FixtureRequest, allowed: tuple[str, ...], without: str | None, with_it: str | None
) -> None:
    assert found.chosen(policy(*allowed)) == without
    request.getfixturevalue("assisted")
    assert found.chosen(policy(*allowed)) == with_it


def reasons(found: Backends, *allowed: str) -> dict[str, str]:
    return {reason.backend: reason.reason for reason in found.reasons(policy(*allowed))}


def test_each_better_one_has_its_reason(found: Backends) -> None:
    found.adopt(RefusedError("NotBuiltIn", "There is none"))
    assert reasons(found) == {"KernelHook": "NotBuiltIn", "KernelAssist": "NotBuiltIn"}
    assert reasons(found, "KernelHook", "Userspace") == {"KernelHook": "NotBuiltIn", "KernelAssist": "NotAllowed"}


def test_one_that_works_needs_no_reason_unless_another_comes_before_it(assisted: Backends) -> None:
    assert reasons(assisted) == {"KernelHook": "NoHook"}
    assert reasons(assisted, "Userspace", "KernelAssist") == {
        "KernelHook": "NotAllowed",
        "KernelAssist": "NotPreferred",
    }


def test_a_kernel_that_refuses_at_the_last_moment_is_replaced_by_a_scan(assisted: Backends) -> None:
    assisted.prepare(told(), with_swap=False)
    assert choose(assisted, told()) == "/kubepods/podlow/low-main"
    assert assisted.backend == assisted.chosen(ALL) == "Userspace"
    assert reasons(assisted) == {"KernelHook": "NoHook", "KernelAssist": "Failed"}


def test_where_no_scan_is_allowed_there_is_none(assisted: Backends) -> None:
    only = told("KernelAssist")
    assisted.prepare(only, with_swap=False)
    assert choose(assisted, only) is None
    assert assisted.chosen(only.policy) is None


def test_it_is_noticed_without_a_shortage_that_the_kernel_refuses(
    assisted: Backends, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backends, "CHECK_SECONDS", 0.0)
    for _ in range(2):
        assisted.prepare(told(), with_swap=False)
    assert assisted.chosen(ALL) == "Userspace"


def test_what_has_failed_is_tried_again_and_taken_when_it_works(
    assisted: Backends, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backends, "CHECK_SECONDS", 0.0)
    for _ in range(2):
        assisted.prepare(told(), with_swap=False)
    assisted.prepare(told(), with_swap=False)
    assert assisted.chosen(ALL) == "Userspace", "it was asked again at once"
    monkeypatch.setattr(backends, "RETRY_SECONDS", 0.0)
    assisted.prepare(told(), with_swap=False)
    assert assisted.chosen(ALL) == "Userspace", "it still fails"
    monkeypatch.setattr(Broken, "ask", lambda *_, **__: Answer(RunError.OK, 0, 0, 0, 0, 0))
    assisted.prepare(told(), with_swap=False)
    assert assisted.chosen(ALL) == "KernelAssist"


@pytest.fixture
def hook() -> FakeHook:
    return FakeHook()


@pytest.fixture
def hooked(found: Backends, hook: FakeHook, monkeypatch: pytest.MonkeyPatch) -> Backends:
    """On a kernel that asks."""
    monkeypatch.setattr(backends, "Assist", Working)
    monkeypatch.setattr(backends, "Hook", lambda *_: hook)
    found.adopt(Loaded(-1, -1, hook={"oomp_hook": -1}))
    return found


class Working(Broken):
    """As a kernel that does as it is asked."""

    def ask(self, domain: int, policy: Policy, *, with_swap: bool) -> Answer:
        """Always with nobody."""
        assert (domain > 0, policy.mode, with_swap) == (True, "Enforce", False)
        return Answer(RunError.OK, 0, 0, 0, 0, 0)

    def usage(self, ids: Any = None, run: int | None = None) -> dict[int, int]:  # noqa: ANN401 - not looked at
        """Nobody has measured that run."""
        assert (ids, run) == (None, 7)
        return {}


def said(hook: FakeHook) -> list[str]:
    return [what for what, _ in hook.told]


def test_a_kernel_that_asks_decides_itself_and_the_guard_waits(hooked: Backends, hook: FakeHook) -> None:
    hooked.prepare(told(), with_swap=False)
    assert (hooked.chosen(ALL), hooked.acts_early(ALL), said(hook)) == ("KernelHook", False, ["put in force"])
    assert reasons(hooked) == {}


def test_until_the_handler_is_in_force_the_guard_has_to_be_earlier(hooked: Backends) -> None:
    assert (hooked.chosen(ALL), hooked.acts_early(ALL)) == ("KernelHook", True)


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [
        pytest.param((), "KernelAssist", id="whatever-works"),
        pytest.param(("KernelHook", "Userspace"), "Userspace", id="as-the-policy-has-it"),
        pytest.param(("KernelHook",), None, id="nobody"),
    ],
)
def test_what_has_to_die_before_kubelet_evicts_is_chosen_by_another(
    hooked: Backends, allowed: tuple[str, ...], expected: str | None
) -> None:
    hooked.prepare(told(*allowed), with_swap=False)
    assert (hooked.chosen(policy(*allowed)), hooked.own(policy(*allowed))) == ("KernelHook", expected)


def test_what_it_has_decided_is_a_record(hooked: Backends, hook: FakeHook) -> None:
    hooked.prepare(told(), with_swap=False)
    hook.decided = [Verdict(1, 1, 2, 7, 100, 5, 6, Outcome.KILLED, 7, 8, 9, 0, "/kubepods/podlow/low-main")]
    (record,) = hooked.decided(told())
    assert record.victim
    assert (record.backend, record.outcome, record.victim.name) == ("KernelHook", "Killed", "shop/low/main")


def test_it_is_counted_how_often_it_was_asked(hooked: Backends, hook: FakeHook) -> None:
    before = hooked.handled
    hooked.prepare(told(), with_swap=False)
    hook.lost = 2
    found = [counts and counts.document() for counts in (before, hooked.handled)]
    assert found == [None, {"asked": 1, "steppedAside": 0, "constrained": 0, "notOurs": 0, "lost": 2}]


def test_a_policy_that_does_not_allow_it_has_it_withdrawn_once(hooked: Backends, hook: FakeHook) -> None:
    hooked.prepare(told(), with_swap=False)
    for _ in range(2):
        hooked.prepare(told("KernelAssist"), with_swap=False)
    assert said(hook) == ["put in force", "withdrawn"]
    assert hooked.acts_early(policy("KernelAssist"))


def test_off_duty_it_stays_withdrawn_and_comes_back_with_the_duty(hooked: Backends, hook: FakeHook) -> None:
    for is_on_duty in (True, False, False, False, True):
        hooked.prepare(told(), with_swap=False, is_on_duty=is_on_duty)
    assert said(hook) == ["put in force", "withdrawn", "put in force"]


def test_where_nobody_wants_it_that_of_an_earlier_guard_is_withdrawn(hooked: Backends, hook: FakeHook) -> None:
    for _ in range(2):
        hooked.let_go()
    assert said(hook) == ["withdrawn"]


def test_a_guard_without_a_handler_withdraws_that_of_an_earlier_one_once(
    found: Backends, monkeypatch: pytest.MonkeyPatch
) -> None:
    withdrawn: list[str] = []
    monkeypatch.setattr(backends, "withdraw", withdrawn.append)
    for _ in range(2):
        found.prepare(told(), with_swap=False)
    assert withdrawn == ["/sys/fs/bpf/oompolicy"]


def test_a_handler_that_does_not_go_is_asked_to_again_after_a_while(
    hooked: Backends, hook: FakeHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooked.prepare(told(), with_swap=False)
    hook.stays = True
    for _ in range(2):
        hooked.let_go()
    assert not hooked.is_settled(policy("Userspace"))
    hook.stays = False
    monkeypatch.setattr(backends, "CHECK_SECONDS", 0.0)
    hooked.let_go()
    assert hooked.is_settled(policy("Userspace"))


def test_the_handler_has_to_come_and_go_with_the_policy(hooked: Backends) -> None:
    assert not hooked.is_settled(ALL), "that of an earlier guard may be in force"
    hooked.prepare(told(), with_swap=False)
    assert (hooked.is_settled(ALL), hooked.is_settled(policy("Userspace"))) == (True, False)


def test_when_it_fails_the_next_one_takes_over(hooked: Backends, hook: FakeHook) -> None:
    hook.fails = True
    hooked.prepare(told(), with_swap=False)
    assert (hooked.chosen(ALL), hooked.acts_early(ALL)) == ("KernelAssist", True)
    assert reasons(hooked) == {"KernelHook": "Failed"}
    hooked.prepare(told(), with_swap=False)
    assert said(hook) == ["withdrawn"], "it must not decide beside the next one"


def test_the_fake_has_what_the_real_one_has() -> None:
    assert {name for name in vars(Broken) if not name.startswith("_")} <= {*vars(Assist)}
