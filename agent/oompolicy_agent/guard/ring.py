"""A ring of decisions in locked memory, on tmpfs: the next guard knows what was intended, and no disk is waited for.

A decision is put here before its first signal and again when it is complete; it goes when the journal has it on disk.
It costs one copy in memory: no system call that could block while the machine thrashes. What a crash tore is no JSON
and is passed over; that the complete record has a slot of its own keeps the intent until then.
"""

import json
import mmap
import os
from collections.abc import Mapping

from oompolicy_agent.guard.log import Log

__all__ = ["NAME", "Ring"]

NAME = "intents"
SLOTS = 16
SLOT_BYTES = 4096
"""One page. A decision without layers and ranking takes 1.5 KiB; one with names of the greatest length, 3 KiB."""
LONG = (("samples",), ("samples", "layers", "ranking"))
"""What is left out of a record that would not fit, and if that is not enough."""

Document = dict[str, object]


class Ring:
    """The ring in a file of a directory, by its descriptor. Without such a directory it remembers nothing, and says so.

    Args:
        directory: on tmpfs; None: there is none.
    """

    def __init__(self, directory: int | None, log: Log) -> None:
        self.problem: str | None = "There is no directory for the ring of intents"
        """What keeps a crash from being survived, for the status."""
        self._memory: mmap.mmap | None = None
        self._order: list[int] = []
        if directory is not None:
            self._open(directory, log)

    def left(self) -> dict[int, Document]:
        """By slot, what the guard before us did not get into the journal. Those slots stay taken until `clear`."""
        found = {slot: record for slot in range(SLOTS) if (record := self._read(slot))}
        self._order = list(found)
        return found

    def put(self, record: Mapping[str, object]) -> int | None:
        """Keeps a record; returns its slot. When all are taken (the disk has been away for long) the oldest goes."""
        if self._memory is None:
            return None
        slot = next((one for one in range(SLOTS) if one not in self._order), None)
        if slot is None:
            slot = self._order[0]
            self._order.remove(slot)
        self._order.append(slot)
        content = _fitting(record)
        start = slot * SLOT_BYTES
        self._memory[start : start + SLOT_BYTES] = content.ljust(SLOT_BYTES, b"\0")
        return slot

    def clear(self, slot: int | None) -> None:
        """Forgets what is on disk, or stands in another slot, by now."""
        if self._memory is None or slot is None:
            return
        self._memory[slot * SLOT_BYTES] = 0
        if slot in self._order:
            self._order.remove(slot)

    def _open(self, directory: int, log: Log) -> None:
        try:
            self._memory, self.problem = _mapped(directory), None
        except (OSError, ValueError) as error:
            self.problem = f"The ring of intents cannot be kept in memory: {error}"
            log.warning("Could not map the ring of intents", path=NAME, err=str(error))

    def _read(self, slot: int) -> Document | None:
        if self._memory is None:
            return None
        content = self._memory[slot * SLOT_BYTES : (slot + 1) * SLOT_BYTES].rstrip(b"\0")
        try:
            found = json.loads(content)
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None


def _mapped(directory: int) -> mmap.mmap:
    """The file, whole and shared; every page is written once, so that it is there when memory is short."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(NAME, flags, 0o600, dir_fd=directory)
    try:
        os.posix_fallocate(descriptor, 0, SLOTS * SLOT_BYTES)
        memory = mmap.mmap(descriptor, SLOTS * SLOT_BYTES)
    finally:
        os.close(descriptor)
    for slot in range(SLOTS):
        memory[(slot + 1) * SLOT_BYTES - 1] = 0
    return memory


def _fitting(record: Mapping[str, object]) -> bytes:
    for long in ((), *LONG):
        content = json.dumps({key: value for key, value in record.items() if key not in long}).encode()
        if len(content) <= SLOT_BYTES:
            return content
    return b""
