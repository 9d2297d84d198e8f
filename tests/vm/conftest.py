"""Machines for the tests in this folder: one that they share, and fresh ones on demand."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial

import pytest

from lab.vm import VM, boot_vm

PROOFS = ("test_hogs.py", "test_random_trees.py", "test_shortage.py")
collect_ignore = [] if os.environ.get("OOMPOLICY_PROOFS") else list(PROOFS)
"""They hold the guard to what it promises in time, so they need a machine with nothing else on it: `make bench` runs
them, or whoever sets OOMPOLICY_PROOFS."""

Boot = Callable[..., AbstractContextManager[VM]]


@pytest.fixture(scope="session")
def vm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VM]:
    """One machine for the session: 1 GiB, no swap, cgroup v2. A test leaves it as it found it."""
    with boot_vm(folder=tmp_path_factory.mktemp("vm")) as machine:
        yield machine


@pytest.fixture
def boot(tmp_path_factory: pytest.TempPathFactory) -> Boot:
    """Boots a fresh machine; the options are those of lab.vm.boot_vm."""
    return partial(boot_vm, folder=tmp_path_factory.mktemp("vm"))
