"""The kernel's ring buffer, read from a file that is laid out like it; the real one is read in a machine."""

import os
import resource
import struct
from collections.abc import Iterator

import pytest

from oompolicy_agent.guard.ring_buffer import BUSY, DISCARDED, RingBuffer

PAGE = resource.getpagesize()
SIZE = PAGE
OURS, THEIRS, DATA = 0, PAGE, 2 * PAGE


class Kernel:
    """Writes what a program in the kernel would."""

    def __init__(self) -> None:
        self.descriptor = os.memfd_create("ring")
        os.truncate(self.descriptor, DATA + 2 * SIZE)
        self.position = 0

    def output(self, record: bytes, flags: int = 0) -> None:
        """One record; the data is there twice, so what goes over the end goes on at the beginning."""
        length = -(-(8 + len(record)) // 8) * 8
        content = struct.pack("=II", len(record) | flags, 0) + record
        for copy in (0, SIZE):
            os.pwrite(self.descriptor, content, DATA + self.position % SIZE + copy)
        if (over := self.position % SIZE + len(content) - SIZE) > 0:
            os.pwrite(self.descriptor, content[-over:], DATA)
        self.position += length
        os.pwrite(self.descriptor, struct.pack("=Q", self.position), THEIRS)

    @property
    def read_up_to(self) -> int:
        """Where the reader is."""
        found: int = struct.unpack("=Q", os.pread(self.descriptor, 8, OURS))[0]
        return found


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    kernel = Kernel()
    yield kernel
    os.close(kernel.descriptor)


def test_each_record_is_read_once_whoever_reads(kernel: Kernel) -> None:
    first = RingBuffer(kernel.descriptor, SIZE)
    kernel.output(b"one")
    kernel.output(b"and two")
    assert first.read() == [b"one", b"and two"]
    kernel.output(b"three")
    assert RingBuffer(kernel.descriptor, SIZE).read() == [b"three"]
    assert first.read() == []
    assert kernel.read_up_to == kernel.position


def test_a_record_that_goes_over_the_end_is_whole(kernel: Kernel) -> None:
    ring = RingBuffer(kernel.descriptor, SIZE)
    for number in range(2 * SIZE // 100):
        record = bytes([number % 256]) * 100
        kernel.output(record)
        assert ring.read() == [record]


def test_what_is_being_written_waits_and_what_was_given_up_is_passed_over(kernel: Kernel) -> None:
    ring = RingBuffer(kernel.descriptor, SIZE)
    kernel.output(b"given up", DISCARDED)
    kernel.output(b"ready")
    kernel.output(b"not yet", BUSY)
    kernel.output(b"ready too")
    assert ring.read() == [b"ready"]
    assert ring.read() == []
