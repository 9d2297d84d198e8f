"""What the kernel's type information is asked: is there a function or a structure of this name."""

import pytest

from btf_bytes import ENUM, FUNC, STRUCT, btf
from oompolicy_agent.guard.btf import Btf, Kind

KERNEL = btf(
    ("task_struct", STRUCT), ("bpf_get_mem_cgroup", FUNC), ("oom_ops", ENUM), ("bpf_oom", STRUCT), member="comm"
)


@pytest.mark.parametrize(
    ("name", "kind", "is_there"),
    [
        pytest.param("task_struct", Kind.STRUCT, True, id="structure"),
        pytest.param("bpf_get_mem_cgroup", Kind.FUNC, True, id="function"),
        pytest.param("task_struct", Kind.FUNC, False, id="structure-is-no-function"),
        pytest.param("oom_ops", Kind.STRUCT, False, id="name-of-an-enumeration"),
        pytest.param("comm", Kind.STRUCT, False, id="name-of-a-member"),
        pytest.param("bpf_oom_ops", Kind.STRUCT, False, id="longer-than-a-name"),
        pytest.param("mem_cgroup", Kind.FUNC, False, id="end-of-a-name"),
        pytest.param("bpf_get", Kind.FUNC, False, id="start-of-a-name"),
    ],
)
def test_finds_what_has_exactly_that_name_and_kind(name: str, kind: Kind, is_there: bool) -> None:
    assert Btf(KERNEL).has(name, kind) == is_there


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(btf(magic=0x9FEB), id="of-the-other-byte-order"),
        pytest.param(b"\x7fELF" + bytes(60), id="something-else"),
        pytest.param(KERNEL[:-1], id="cut-off"),
    ],
)
def test_says_what_it_expected_where_that_is_no_btf(content: bytes) -> None:
    with pytest.raises(ValueError, match="expected BTF"):
        Btf(content)
