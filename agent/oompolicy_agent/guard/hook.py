"""Puts the OOM handler in force on this host, keeps it there when the guard dies, and reads what it has decided.

All that a later guard needs is pinned in one directory of bpffs:

    link                        what is in force; it holds the handler, and that its maps
    policy counts decisions     the handler's maps, to be told and read
    NAME_new                    the same of a handler that was about to be put in force

A new guard brings a handler of its own and replaces the one in force by the same link, so there is no moment without.
"""

import contextlib
import errno
import os
from collections.abc import Iterable, Mapping
from contextlib import ExitStack

from oompolicy_agent.guard.bpf import Map, attach, detach, pin, pinned, replace
from oompolicy_agent.guard.hook_abi import (
    COUNTS_SIZE,
    ONLY_KEY,
    POLICY_SIZE,
    RECORD_SIZE,
    RING_BYTES,
    Counts,
    Terms,
    Verdict,
)
from oompolicy_agent.guard.ring_buffer import RingBuffer

__all__ = ["DIRECTORY", "Hook", "withdraw"]

DIRECTORY = "/sys/fs/bpf/oompolicy"
"""From the host's root."""
OPS, LINK = "oomp_hook", "link"
MAPS = ("policy", "counts", "decisions")
NEW = "_new"
"""bpffs keeps names with a dot for itself."""
GONE = (errno.ENOLINK, errno.EOPNOTSUPP)
"""Why a link cannot be given another handler: it was detached, or this kernel does not know how."""


class Hook:
    """A handler that was loaded. Every method raises OSError when the kernel does not do as it is asked."""

    def __init__(self, loaded: Mapping[str, int], directory: str = DIRECTORY) -> None:
        """`loaded`: descriptors of the object's parts, by name."""
        self._directory = directory
        self._loaded = loaded
        self._policy = Map(loaded["policy"], POLICY_SIZE)
        self._counts = Map(loaded["counts"], COUNTS_SIZE)
        self._decisions = RingBuffer(loaded["decisions"], RING_BYTES)
        self._counts.put(ONLY_KEY, bytes(COUNTS_SIZE))

    @property
    def descriptor(self) -> int:
        """Readable when something was decided."""
        return self._decisions.descriptor

    def put_in_force(self, cgroup: int, terms: Terms) -> list[Verdict]:
        """For the root cgroup (a descriptor); returns what an earlier handler has decided and nobody has read.

        Its map of targets has to be told before.
        """
        self.renew(terms)
        os.makedirs(self._directory, 0o700, exist_ok=True)  # noqa: PTH103 - as elsewhere in the guard
        with ExitStack() as stack:
            others = _rings(self._directory, stack)  # open until nobody writes into them any more
            for name in MAPS:
                self._pin(self._loaded[name], name + NEW)
            self._link(cgroup)
            for name in MAPS:
                os.rename(self._path(name + NEW), self._path(name))  # noqa: PTH104
            return _unread(others)

    def renew(self, terms: Terms) -> None:
        """Has it decide by these from now on."""
        self._policy.put(ONLY_KEY, terms.packed())

    def read(self) -> list[Verdict]:
        """What was decided since the last call."""
        return [Verdict.unpacked(record) for record in self._decisions.read()]

    def withdraw(self) -> list[Verdict]:
        """As the function of this name."""
        return withdraw(self._directory)

    @property
    def counts(self) -> Counts:
        """How often it was asked, and what came of it."""
        return Counts.unpacked(self._counts.get(ONLY_KEY) or bytes(COUNTS_SIZE))

    def _link(self, cgroup: int) -> None:
        """By the link that is pinned, or else by a new one, which is pinned last of all."""
        path = self._path(LINK)
        if (link := _found(path)) is not None:
            try:
                replace(link, self._loaded[OPS])
            except OSError as error:
                if error.errno not in GONE:
                    raise
                detach(link)
            else:
                return
            finally:
                os.close(link)
        link = attach(self._loaded[OPS], cgroup)
        try:
            self._pin(link, LINK)
        finally:  # without its pin it ends here
            os.close(link)

    def _pin(self, descriptor: int, name: str) -> None:
        """In the place of what was there."""
        _unlink(self._path(name))
        pin(descriptor, self._path(name))

    def _path(self, name: str) -> str:
        return f"{self._directory}/{name}"


def withdraw(directory: str = DIRECTORY) -> list[Verdict]:
    """Takes whatever guard's handler is in force out of it, and leaves nothing; returns what nobody has read."""
    if not os.path.isdir(directory):  # noqa: PTH112 - where there is nothing, no bpf(2) is needed
        return []
    if (link := _found(f"{directory}/{LINK}")) is not None:
        try:
            detach(link)
        finally:
            os.close(link)
    with ExitStack() as stack:
        left = _unread(_rings(directory, stack))
    for name in (LINK, *MAPS, *(name + NEW for name in MAPS)):
        _unlink(f"{directory}/{name}")
    with contextlib.suppress(FileNotFoundError):
        os.rmdir(directory)  # noqa: PTH106
    return left


def _rings(directory: str, stack: ExitStack) -> list[RingBuffer]:
    """Of the handler in force, and of one whose guard died while it put it in force; the stack closes them."""
    found = []
    for name in ("decisions", "decisions" + NEW):
        if (descriptor := _found(f"{directory}/{name}")) is not None:
            stack.callback(os.close, descriptor)
            found.append(RingBuffer(descriptor, RING_BYTES))
    return found


def _unread(rings: Iterable[RingBuffer]) -> list[Verdict]:
    """What is in them, oldest first; records of a version that has them otherwise are left out."""
    records = [record for ring in rings for record in ring.read()]
    found = [Verdict.unpacked(record) for record in records if len(record) == RECORD_SIZE]
    return sorted(found, key=lambda verdict: verdict.time)


def _found(path: str) -> int | None:
    """A descriptor of what is pinned there; None if nothing is."""
    try:
        return pinned(path)
    except OSError as error:
        if error.errno == errno.ENOENT:
            return None
        raise


def _unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # noqa: PTH108
