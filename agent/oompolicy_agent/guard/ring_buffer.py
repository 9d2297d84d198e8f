"""Reads a BPF ring buffer: records that programs in the kernel have left for us, each once, whoever of us reads.

The layout is that of kernel/bpf/ringbuf.c: a page with our position, which we write; a page with the kernel's, and the
data after it, twice in a row so that no record is ever cut in two.
"""

import mmap
import resource
import struct

__all__ = ["RingBuffer"]

BUSY, DISCARDED, LENGTH = 1 << 31, 1 << 30, (1 << 30) - 1
HEADER = struct.Struct("=II")
POSITION = struct.Struct("=Q")
ALIGNMENT = 8


class RingBuffer:
    """By the descriptor of its map, which can be polled, and its size in bytes. Raises OSError."""

    def __init__(self, descriptor: int, size: int) -> None:
        page = resource.getpagesize()
        self.descriptor = descriptor
        self._size = size
        self._ours = mmap.mmap(descriptor, page, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        self._theirs = mmap.mmap(descriptor, page + 2 * size, mmap.MAP_SHARED, mmap.PROT_READ, offset=page)
        self._data = page

    def read(self) -> list[bytes]:
        """All records since the last call, of this or of an earlier reader; what is read is gone."""
        records = []
        position, end = POSITION.unpack_from(self._ours)[0], POSITION.unpack_from(self._theirs)[0]
        while position < end:
            start = self._data + position % self._size
            length, _ = HEADER.unpack_from(self._theirs, start)
            if length & BUSY:
                break
            size = length & LENGTH
            if not length & DISCARDED:
                records.append(self._theirs[start + HEADER.size : start + HEADER.size + size])
            position += -(-(HEADER.size + size) // ALIGNMENT) * ALIGNMENT
        POSITION.pack_into(self._ours, 0, position)
        return records
