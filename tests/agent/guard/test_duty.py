"""What keeps the guard from acting."""

from dataclasses import replace
from pathlib import Path

import pytest

from guard_host import FakeHost
from oompolicy_agent.guard.duty import Duty
from oompolicy_agent.guard.log import Log
from oompolicy_agent.guard.settings import Settings
from oompolicy_agent.guard.support import BACKEND
from oompolicy_agent.guard.targets import Policy

ENFORCE = Policy("mixed", "6f1c", 3, "Enforce")


class Office:
    """A duty on a host of files."""

    def __init__(self, folder: Path) -> None:
        self.host = FakeHost(folder)
        self.host.state.mkdir()
        settings = Settings(
            state_directory=str(self.host.state), cgroup_root=str(self.host.cgroups), proc=str(self.host.proc)
        )
        self.duty = Duty(settings, lambda policy: BACKEND if policy is None or policy.allows(BACKEND) else None, Log())

    def reason(self, policy: Policy | None = ENFORCE) -> str | None:
        """Why not, in a word."""
        self.duty.check(policy)
        return self.duty.obstacle.reason if self.duty.obstacle else None


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def test_nothing_does_where_a_policy_acts(office: Office) -> None:
    assert office.reason() is None


def test_no_policy_does(office: Office) -> None:
    assert office.reason(None) == "NoPolicy"


def test_a_policy_that_is_off_does(office: Office) -> None:
    assert office.reason(Policy("mixed", "6f1c", 3, "Off")) == "PolicyOff"


@pytest.mark.parametrize(
    ("allowed", "reason"),
    [
        pytest.param((), None, id="all-are-allowed"),
        pytest.param(("KernelHook", "Userspace"), None, id="userspace-is-among-them"),
        pytest.param(("KernelHook",), "NotAllowed", id="only-another"),
        pytest.param(("Firmware",), "NotAllowed", id="only-one-that-nobody-knows"),
    ],
)
def test_a_policy_that_does_not_allow_this_backend_does(
    office: Office, allowed: tuple[str, ...], reason: str | None
) -> None:
    assert office.reason(replace(ENFORCE, backends=allowed)) == reason


def test_broken_glass_does_at_once_and_until_it_is_removed(office: Office, capfd: pytest.CaptureFixture[str]) -> None:
    glass = office.host.state / "break-glass"
    assert office.reason() is None
    glass.touch()
    assert office.reason() == "BreakGlass"
    assert str(glass) in (office.duty.obstacle.message if office.duty.obstacle else "")
    glass.unlink()
    assert office.reason() is None
    assert capfd.readouterr().out.count("Backend is") == 3


def test_what_the_host_lacks_does_whatever_the_policy_says(office: Office) -> None:
    (office.host.cgroups / "cgroup.controllers").write_text("cpu\n")
    assert office.reason() == "NoMemoryController"
    assert not office.duty.can_look


def test_says_so_only_when_it_changes(office: Office, capfd: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        office.reason(None)
    assert capfd.readouterr().out.count("Backend is Off") == 1
