"""bpf(2) for what is loaded already: maps of fixed-size keys and values, and runs of a program.

Loading needs libbpf, and is another program's work (assist_load.py); talking to what it has loaded does not.
"""

import ctypes
import errno
import os
import struct
from collections.abc import Mapping

from oompolicy_agent.guard.syscalls import call

__all__ = ["Map", "attach", "detach", "pin", "pinned", "replace", "run_program"]

BPF = {"x86_64": 321, "aarch64": 280}
"""The system call's number."""
NUMBER = BPF.get(os.uname().machine)
MAP_LOOKUP_ELEM, MAP_UPDATE_ELEM, MAP_DELETE_ELEM, PROG_TEST_RUN, MAP_UPDATE_BATCH = 1, 2, 3, 10, 26
OBJ_PIN, OBJ_GET, LINK_CREATE, LINK_UPDATE, LINK_DETACH = 6, 7, 28, 29, 34
STRUCT_OPS = 44
"""The attach type."""
ANY = 0


def run_program(descriptor: int, context: bytearray) -> None:
    """Runs a program of type `syscall` once, which may change `context`; raises OSError.

    The kernel's struct: prog_fd, retval, data sizes and pointers (none here), repeat, duration, context sizes and
    pointers (include/uapi/linux/bpf.h).
    """
    shared = (ctypes.c_char * len(context)).from_buffer(context)
    address, size = ctypes.addressof(shared), len(context)
    # a program that sleeps takes its context in place: there is no way to hand it back through ctx_out
    attributes = struct.pack("=IIIIQQIIIIQQ", descriptor, 0, 0, 0, 0, 0, 0, 0, size, 0, address, 0)
    _bpf(PROG_TEST_RUN, attributes, shared)


def attach(struct_ops: int, cgroup: int) -> int:
    """Puts a struct_ops map in force for a cgroup (a descriptor of its directory); returns the link's descriptor."""
    return _bpf(LINK_CREATE, struct.pack("=IIII", struct_ops, cgroup, STRUCT_OPS, 0))


def replace(link: int, struct_ops: int) -> None:
    """Puts another one in force by the same link; returns when the one before is no longer run by anybody."""
    _bpf(LINK_UPDATE, struct.pack("=IIII", link, struct_ops, 0, 0))


def pin(descriptor: int, path: str) -> None:
    """Keeps a map, program or link alive by a name in bpffs; EEXIST: there is such a name."""
    name = ctypes.create_string_buffer(os.fsencode(path))
    _bpf(OBJ_PIN, struct.pack("=QII", ctypes.addressof(name), descriptor, 0), name)


def pinned(path: str) -> int:
    """A descriptor of what is pinned there; ENOENT: nothing is."""
    name = ctypes.create_string_buffer(os.fsencode(path))
    return _bpf(OBJ_GET, struct.pack("=QII", ctypes.addressof(name), 0, 0), name)


def detach(link: int) -> None:
    """Takes it out of force at once: closing the link's last descriptor does so a little later."""
    _bpf(LINK_DETACH, struct.pack("=I", link))


class Map:
    """A hash map, by its descriptor. Every method raises OSError."""

    def __init__(self, descriptor: int, value_size: int) -> None:
        self.descriptor = descriptor
        self._value_size = value_size

    def get(self, key: bytes) -> bytes | None:
        """The value of a key; None if there is none."""
        value = bytearray(self._value_size)
        try:
            self._element(MAP_LOOKUP_ELEM, key, value)
        except OSError as error:
            if error.errno == errno.ENOENT:
                return None
            raise
        return bytes(value)

    def put(self, key: bytes, value: bytes) -> None:
        """Sets a value; E2BIG: the map is full."""
        self._element(MAP_UPDATE_ELEM, key, bytearray(value))

    def put_all(self, values: Mapping[bytes, bytes]) -> None:
        """As `put` for many, in one call (Linux 5.6); what came before a value that is refused is set."""
        if not values:
            return
        keys = ctypes.create_string_buffer(b"".join(values), sum(map(len, values)))
        joined = ctypes.create_string_buffer(b"".join(values.values()), self._value_size * len(values))
        # in_batch, out_batch, keys, values, count, map_fd, elem_flags, flags
        where = struct.pack(
            "=QQQQIIQQ", 0, 0, ctypes.addressof(keys), ctypes.addressof(joined), len(values), self.descriptor, ANY, 0
        )
        _bpf(MAP_UPDATE_BATCH, where, keys, joined)

    def drop(self, key: bytes) -> None:
        """Takes a key out, if it is in."""
        try:
            self._element(MAP_DELETE_ELEM, key, None)
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise

    def _element(self, command: int, key: bytes, value: bytearray | None) -> None:
        key_buffer = ctypes.create_string_buffer(key, len(key))
        shared = (ctypes.c_char * len(value)).from_buffer(value) if value is not None else None
        at = ctypes.addressof(shared) if shared is not None else 0
        where = struct.pack("=IIQQQ", self.descriptor, 0, ctypes.addressof(key_buffer), at, ANY)
        _bpf(command, where, key_buffer, shared)


def _bpf(command: int, attributes: bytes, *kept: object) -> int:
    """One call; `kept` is what the attributes point to, alive until it returns."""
    if NUMBER is None:
        raise OSError(errno.ENOSYS, f"expected one of {', '.join(BPF)}, found {os.uname().machine}")
    found = call(NUMBER, command, attributes, len(attributes))
    del kept
    return found
