"""The BPF program that chooses in the kernel: it loads, measures as cgroupfs does, agrees with the specification."""

import json
import os
from collections.abc import Iterator

import pytest

from lab import bpf
from lab.vm import PROJECT, VM

pytestmark = pytest.mark.vm

PINS = "/sys/fs/bpf/oompolicy"
SEED = int(os.environ.get("OOMPOLICY_TREES_SEED", "2"))
TREES = int(os.environ.get("OOMPOLICY_TREES", "16"))
POLICIES = 60
LEAVES = 20
"""In one tree, at most."""
AS_FAST_AS_IT_GETS = "nsdelegate,memory_recursiveprot,favordynmods"


@pytest.fixture(scope="module")
def loaded(vm: VM) -> Iterator[VM]:
    """A machine in which the program is pinned."""
    for name in ("assist.bpf.o", "oompolicy-bpf-load"):
        vm.push(bpf.programs() / name, f"/opt/{name}")
    vm.run(["mount", "-o", f"remount,{AS_FAST_AS_IT_GETS}", "/sys/fs/cgroup"])
    vm.run(["mkdir", PINS])
    vm.run(["/opt/oompolicy-bpf-load", "/opt/assist.bpf.o", PINS, "4096"])
    yield vm
    vm.run(["rm", "-r", PINS])


def test_on_real_memcgs_it_chooses_as_the_specification_does(loaded: VM) -> None:
    options = [f"--pins={PINS}", f"--trees={TREES}", f"--policies={POLICIES}", f"--leaves={LEAVES}", f"--seed={SEED}"]
    path = {"PYTHONPATH": f"{PROJECT}/agent:{PROJECT}/tests/support"}
    said = loaded.run(["python3", "-m", "differential", *options], env=path, timeout=1200).stdout
    found = json.loads(said.splitlines()[-1])
    print({name: value for name, value in found.items() if name != "examples"})
    assert found["misread"] == [], "usages differ from what cgroupfs says"
    assert found["differences"] == 0, found["examples"]
    assert found["victims"] > TREES * POLICIES


def test_a_domain_that_is_gone_is_an_answer(loaded: VM) -> None:
    program = f"""
from oompolicy_agent.guard.assist_abi import Answer, Question
from oompolicy_agent.guard.bpf import open_pinned, run_program
context = Question(domain=123456789, run=1).packed()
run_program(open_pinned("{PINS}/program"), context)
print(Answer.unpacked(context).error.name)
"""
    assert loaded.python(program).stdout == "NO_DOMAIN\n"


def test_what_the_kernel_refuses_is_said_in_its_own_words(loaded: VM) -> None:
    refused = loaded.run(["/opt/oompolicy-bpf-load", "/opt/assist.bpf.o", PINS, "4096"], check=False)
    assert refused.returncode == 1
    assert f"Could not pin {PINS}/targets: File exists" in refused.stderr
