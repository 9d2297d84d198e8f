"""Loading by another process: what it has said when it did not work."""

from pathlib import Path

import pytest

from oompolicy_agent.guard.assist_load import LOADER, OBJECT, RefusedError, load, refusals

VERIFIER = """libbpf: prog 'x': BPF program load failed: -EINVAL
libbpf: prog 'x': -- BEGIN PROG LOAD LOG --
20: (0f) r1 += r2
21: <invalid kfunc call>
kfunc 'bpf_get_mem_cgroup' is referenced but wasn't resolved
processed 25 insns (limit 1000000) max_states_per_insn 0
-- END PROG LOAD LOG --
libbpf: failed to load object 'oompolicy.bpf.o'
Could not load oompolicy.bpf.o: Invalid argument"""


def loader(folder: Path, script: str) -> str:
    """A directory with a loader that is a shell script."""
    (folder / OBJECT).write_text("any")
    (folder / LOADER).write_text(f"#!/bin/sh\n{script}\n")
    (folder / LOADER).chmod(0o755)
    return str(folder)


def refused(folder: str) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        load(folder, 16)
    return caught.value


def test_the_verifiers_last_words_are_the_reason_and_the_whole_is_kept(tmp_path: Path) -> None:
    (tmp_path / "said").write_text(VERIFIER)
    error = refused(loader(tmp_path, f"cat {tmp_path}/said >&2; exit 1"))
    assert error.reason == "NoMemcgKfuncs"
    assert str(error) == (
        "21: <invalid kfunc call>; kfunc 'bpf_get_mem_cgroup' is referenced but wasn't resolved; "
        "Could not load oompolicy.bpf.o: Invalid argument"
    )
    assert error.text == VERIFIER


@pytest.mark.parametrize(
    ("script", "message"),
    [
        pytest.param("echo first >&2; echo last >&2; exit 1", "first; last", id="its-last-lines"),
        pytest.param("exit 0", "did not answer within 60 s, or ended without a word", id="not-a-word"),
        pytest.param("kill -SEGV $$", "or ended without a word", id="a-crash"),
        pytest.param("echo nonsense", "or ended without a word", id="nonsense"),
        pytest.param(
            "echo oomp_choose 7; echo targets 8; echo ready; cat > /dev/null",
            "pidfd_getfd",
            id="descriptors-that-it-has-not",
        ),
    ],
)
def test_whatever_it_does_there_is_a_reason(tmp_path: Path, script: str, message: str) -> None:
    error = refused(loader(tmp_path, script))
    assert error.reason == "LoadFailed"
    assert message in str(error)


def test_its_descriptors_are_taken_over_and_it_ends(tmp_path: Path) -> None:
    """Files stand in for program and map; that those come over, too, is seen in a machine."""
    names = ("program", "targets", "policy")
    opened = "; ".join(f"exec {number}<{tmp_path}/{name}" for number, name in enumerate(names, 5))
    script = f"{opened}; echo oomp_choose 5; echo targets 6; echo policy 7; echo ready; cat"
    for name in names:
        (tmp_path / name).write_text(name)
    found = load(loader(tmp_path, script), 16)
    assert [Path(f"/proc/self/fd/{fd}").readlink().name for fd in (found.program, found.targets)] == [
        "program",
        "targets",
    ]
    assert found.hook is None
    against = refusals(str(tmp_path))
    assert (against["KernelAssist"], against["KernelHook"] and against["KernelHook"].reason) == (None, "NoHook")


def test_an_object_without_the_program_is_refused(tmp_path: Path) -> None:
    script = f"exec 5<{tmp_path}; echo other 5; echo ready; cat"
    assert "no 'oomp_choose'" in str(refused(loader(tmp_path, script)))


def test_an_agent_without_it_says_so(tmp_path: Path) -> None:
    against = refusals(str(tmp_path))
    assert {name: reason and reason.reason for name, reason in against.items()} == {
        "KernelHook": "NotBuiltIn",
        "KernelAssist": "NotBuiltIn",
    }
