"""Makes BTF as the kernel has it, for tests: the format of Documentation/bpf/btf.rst, only what names things."""

import struct

__all__ = ["ENUM", "FUNC", "STRUCT", "btf"]

STRUCT, ENUM, FUNC = 4, 6, 12


def btf(*records: tuple[str, int], member: str = "", magic: int = 0xEB9F) -> bytes:
    """BTF with one record for each name and kind; a structure has one member of the name `member`."""
    strings, types = bytearray(b"\0"), bytearray()

    def offset(name: str) -> int:
        at = bytes(strings).find(b"\0" + name.encode() + b"\0")
        if at < 0:
            at = len(strings) - 1
            strings.extend(name.encode() + b"\0")
        return at + 1

    for name, kind in records:
        members = struct.pack("=III", offset(member), 1, 0) if kind == STRUCT and member else b""
        types += struct.pack("=III", offset(name), kind << 24 | bool(members), 8) + members
    header = struct.pack("=HBBIIIII", magic, 1, 0, 24, 0, len(types), len(types), len(strings))
    return header + bytes(types) + bytes(strings)
