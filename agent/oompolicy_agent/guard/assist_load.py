"""Has the BPF program loaded by another process, and takes over its descriptors; see agent/bpf/load.c.

Done at the guard's start, before anything is short: it starts a process, which needs memory.
"""

import os
import re
import select
import signal
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from oompolicy_agent.guard.support import ASSIST, HOOK, NO_HOOK, Reason
from oompolicy_agent.guard.syscalls import call

__all__ = ["MOST_TARGETS", "Loaded", "RefusedError", "attempt", "load", "load_object", "refusals"]

PIDFD_GETFD = 438
"""The same number on every architecture (Linux 5.6)."""
SECONDS = 60.0
"""For loading, most of which is the verifier: tens of milliseconds, a second under emulation."""
MOST_TARGETS = 16384
"""Memcgs with something to be said of them; the kernel takes the map's memory (2 MiB) when it is loaded."""
OBJECT, LOADER = "oompolicy.bpf.o", "oompolicy-bpf-load"
PROGRAM, TARGETS = "oomp_choose", "targets"
HOOK_PARTS = ("oomp_hook", "policy", "counts", "decisions")
"""Of the OOM handler. The first is there only where the kernel has the hook."""
MOST_SAID = 1 << 20
UNRESOLVED = "is referenced but wasn't resolved"
"""What the verifier says of a function that this kernel does not have; those for memcgs came with Linux 7.0."""
BEGIN, END, SUMMARY = "-- BEGIN PROG LOAD LOG --", "-- END PROG LOAD LOG --", "processed "
LAST_LINES = 3
_ANSWER = re.compile(rb"(?:\w+ \d+\n)+ready\n")


class RefusedError(Exception):
    """The program is not to be had here.

    Attributes:
        reason: one word for programs.
        text: all that libbpf and the verifier have said; the message is the end of it.
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__("; ".join(_gist(text)))
        self.reason = reason
        self.text = text


@dataclass(frozen=True, slots=True)
class Loaded:
    """Descriptors of the program and its map."""

    program: int
    targets: int
    entries: int = MOST_TARGETS
    """How many the map has room for."""
    hook: Mapping[str, int] | None = None
    """The OOM handler and its maps, by name; None: this kernel has no hook for it."""


def load(directory: str, entries: int) -> Loaded:
    """Loads the guard's object with room for `entries` memcgs; see `load_object`."""
    descriptors = load_object(directory, OBJECT, entries)
    try:
        program, targets = descriptors.pop(PROGRAM), descriptors.pop(TARGETS)
        has_hook = HOOK_PARTS[0] in descriptors
        return Loaded(program, targets, entries, {p: descriptors.pop(p) for p in HOOK_PARTS} if has_hook else None)
    except KeyError as error:
        raise RefusedError("LoadFailed", f"Expected {OBJECT} to have all its parts, found no {error}") from error
    finally:
        _close(descriptors.values())


def load_object(directory: str, name: str, entries: int) -> dict[str, int]:
    """Loads the object `name` in `directory`, which also has the loader; descriptors of its maps and programs by name.

    Raises:
        RefusedError: whatever was in the way.
    """
    if not os.access(f"{directory}/{name}", os.R_OK):
        raise RefusedError("NotBuiltIn", f"There is no {directory}/{name}: this agent came without it")
    try:
        return _load([f"{directory}/{LOADER}", f"{directory}/{name}", str(entries)])
    except OSError as error:
        raise RefusedError("LoadFailed", f"Could not run {directory}/{LOADER}: {error}") from error


def attempt(directory: str) -> Loaded | RefusedError:
    """As `load`, with room for as many as the guard can tell of; returns what was in the way."""
    try:
        return load(directory, MOST_TARGETS)
    except RefusedError as error:
        return error


def refusals(directory: str) -> dict[str, Reason | None]:
    """By backend, why the object in `directory` does not give it here; None: it does, which was tried and undone."""
    found = attempt(directory)
    if isinstance(found, RefusedError):
        return {backend: Reason(backend, found.reason, str(found)) for backend in (HOOK, ASSIST)}
    _close([found.program, found.targets, *(found.hook or {}).values()])
    return {HOOK: None if found.hook else NO_HOOK, ASSIST: None}


def _load(command: list[str]) -> dict[str, int]:
    said = os.memfd_create("oompolicy-bpf-load", os.MFD_CLOEXEC)
    order, ordered = os.pipe2(os.O_CLOEXEC)
    answered, answer = os.pipe2(os.O_CLOEXEC)
    actions = [(os.POSIX_SPAWN_DUP2, fd, target) for target, fd in enumerate((order, answer, said))]
    try:
        pid = os.posix_spawn(command[0], command, {}, file_actions=actions)
        os.close(answer)
        answer = -1
        try:
            return _take_over(pid, answered, said)
        finally:
            os.kill(pid, signal.SIGKILL)  # it has nothing left to do; it may hang
            os.waitpid(pid, 0)
    finally:
        _close(one for one in (said, order, ordered, answered, answer) if one >= 0)


def _take_over(pid: int, answered: int, said: int) -> dict[str, int]:
    answer = _answer(answered)
    if not _ANSWER.fullmatch(answer):
        text = os.pread(said, MOST_SAID, max(0, os.fstat(said).st_size - MOST_SAID)).decode(errors="replace")
        reason = "NoMemcgKfuncs" if UNRESOLVED in text else "LoadFailed"
        raise RefusedError(reason, text or f"It did not answer within {SECONDS:g} s, or ended without a word")
    child, found = os.pidfd_open(pid), {}
    try:
        for line in answer.decode().splitlines()[:-1]:
            name, number = line.split()
            found[name] = call(PIDFD_GETFD, child, int(number), 0)
    except OSError as error:
        _close(found.values())
        raise OSError(error.errno, f"pidfd_getfd: {error.strerror}") from error
    finally:
        os.close(child)
    return found


def _answer(descriptor: int) -> bytes:
    """What can be read before it is said to be all, the end of the file, or the end of our patience."""
    poll, end, answer = select.poll(), time.monotonic() + SECONDS, b""
    poll.register(descriptor, select.POLLIN)
    while not answer.endswith(b"ready\n") and poll.poll(max(0.0, end - time.monotonic()) * 1000):
        if not (data := os.read(descriptor, 4096)):
            break
        answer += data
    return answer


def _close(descriptors: Iterable[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _gist(text: str) -> list[str]:
    """The verifier's last words, without its statistics, and the very last line; or the last lines of all."""
    lines = text.strip().splitlines()
    inside, _, _ = text.rpartition(BEGIN)[2].partition(END)
    if BEGIN not in text:
        return lines[-LAST_LINES:]
    said = [line for line in inside.strip().splitlines() if not line.startswith(SUMMARY)]
    return [*said[1 - LAST_LINES :], lines[-1]]
