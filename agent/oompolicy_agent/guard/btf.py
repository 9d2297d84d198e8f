"""Finds functions and structures by name in the kernel's own type information (BTF).

The format (Documentation/bpf/btf.rst): a header, type records, strings. A record begins with the offset of its name in
the strings and a word that holds its kind. All are 4-byte aligned, in the byte order of the machine.
"""

import enum
import struct
from collections.abc import Iterator

__all__ = ["Btf", "Kind"]

_HEADER = struct.Struct("=HBBIIIII")
"""magic, version, flags, header length; then offset and length of types and of strings, from the header's end."""
_RECORD = struct.Struct("=II")
_NAME = struct.Struct("=I")
_MAGIC = 0xEB9F


class Kind(enum.IntEnum):
    """What a name is the name of; the kernel's BTF_KIND_* numbers."""

    STRUCT = 4
    FUNC = 12


class Btf:
    """One kernel's types.

    It does not walk the records, which would take seconds where the processor is emulated: it searches for the name's
    offset with a word of the right kind behind it. Members and parameters carry a type id there, which has no kind.

    Args:
        content: of /sys/kernel/btf/vmlinux.

    Raises:
        ValueError: if this is no BTF.
    """

    def __init__(self, content: bytes) -> None:
        if len(content) < _HEADER.size:
            raise ValueError(f"expected BTF, found {len(content)} bytes")
        magic, version, _, length, types_at, types_size, strings_at, strings_size = _HEADER.unpack_from(content)
        if (magic, version) != (_MAGIC, 1):
            raise ValueError(f"expected BTF version 1, found magic {magic:#x}, version {version}")
        if length + max(types_at + types_size, strings_at + strings_size) > len(content):
            raise ValueError(f"expected BTF as long as its header says, found {len(content)} bytes")
        self._types = content[length + types_at :][:types_size]
        self._strings = content[length + strings_at :][:strings_size]

    def has(self, name: str, kind: Kind) -> bool:
        """Whether the kernel has something of this kind and name. pahole writes every string once and whole."""
        at = self._strings.find(b"\0" + name.encode() + b"\0")
        return at >= 0 and any((info >> 24) & 0x1F == kind for info in self._infos(at + 1))

    def _infos(self, name_offset: int) -> Iterator[int]:
        """The word behind each place where this offset stands."""
        wanted, at = _NAME.pack(name_offset), -1
        while (at := self._types.find(wanted, at + 1)) >= 0:
            if at % 4 == 0 and at + _RECORD.size <= len(self._types):
                yield _RECORD.unpack_from(self._types, at)[1]
