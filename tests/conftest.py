"""What a run of every test makes ahead for its later parts."""

import pytest

from lab.ahead import Ahead

AHEAD = pytest.StashKey[Ahead]()
LATER = ("node", "vm")
"""Marks of tests that need machines."""


def pytest_collection_finish(session: pytest.Session) -> None:
    """Begins with it where other tests come first, for it to be made during these."""
    needs = {mark.name for item in session.items for mark in item.iter_markers()}
    if {*LATER, "cluster"} <= needs and not session.config.option.collectonly:
        session.config.stash[AHEAD] = Ahead()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Has it end before the first machine."""
    if any(item.get_closest_marker(mark) for mark in LATER):
        _stop(item.config, waiting_for_disks=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Leaves nothing behind."""
    _stop(session.config, waiting_for_disks=False)


def _stop(config: pytest.Config, *, waiting_for_disks: bool) -> None:
    if ahead := config.stash.get(AHEAD, None):
        del config.stash[AHEAD]
        ahead.stop(waiting_for_disks=waiting_for_disks)
