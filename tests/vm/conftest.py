"""Machines for the tests in this folder: one that they share, and fresh ones on demand."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial

import pytest

from lab.vm import VM, boot_vm
from proofs import WHOLE

collect_ignore = [] if WHOLE else ["test_replicas.py"]
"""It holds 25 replicas that grow together to times, so it needs a machine with nothing else on it."""

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
