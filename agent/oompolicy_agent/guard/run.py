"""`oompolicy-guard run`: takes the lock, takes over from the guard before, and guards until told to stop."""

import argparse
import gc
import os
import signal
import time
from types import FrameType

from oompolicy_agent.guard.assist_load import attempt
from oompolicy_agent.guard.host_lock import NAME, holder, try_lock
from oompolicy_agent.guard.host_options import add_host_options, settings_from
from oompolicy_agent.guard.log import LEVELS, Log
from oompolicy_agent.guard.loop import Loop
from oompolicy_agent.guard.parts import assemble, open_folders
from oompolicy_agent.guard.rehearsal import Understudy
from oompolicy_agent.guard.settings import Settings
from oompolicy_agent.guard.syscalls import lock_memory, raise_file_limit, use_one_arena
from oompolicy_agent.guard.takeover import take_over
from oompolicy_agent.guard.withdrawal import withdraw

__all__ = ["add_arguments", "guard", "run"]

LOCK_SECONDS = 0.1
"""How often a guard that waits asks for the lock: so long nobody guards when one follows another."""
LAST_WORDS_SECONDS = 2.0
"""How long the end waits for the journal's disk."""
HELD = 3
"""Exit code: another guard holds the lock, on a host without Kubernetes to arbitrate."""


class _Stop:
    """Becomes true, and wakes whoever sleeps, on SIGTERM or SIGINT."""

    def __init__(self) -> None:
        self.wake, wakeup = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._is_wanted = False
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._want)

    def __call__(self) -> bool:
        return self._is_wanted

    def _want(self, _number: int, _frame: FrameType | None) -> None:
        self._is_wanted = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of the command."""
    add_host_options(parser)
    defaults = Settings()
    parser.add_argument("--state-directory", default=defaults.state_directory, help="its own files (%(default)s)")
    parser.add_argument(
        "--runtime-directory", default=defaults.runtime_directory, help="on tmpfs, outlives the guard (%(default)s)"
    )
    parser.add_argument(
        "--log-level",
        choices=LEVELS,
        default=os.environ.get("OOMPOLICY_LOG_LEVEL", "Info"),
        help="the least severe line; default: $OOMPOLICY_LOG_LEVEL, else Info",
    )
    parser.add_argument("--targets", default="", metavar="FILE", help="a targets file; default: the inbox's")


def run(options: argparse.Namespace) -> int:
    """Guards this host until SIGTERM; returns an exit code. A plain stop changes nothing on the node."""
    return guard(settings_from(options))


def guard(settings: Settings) -> int:
    """As `run`, with settings."""
    log, stop = Log(node=settings.node, level=settings.log_level), _Stop()
    folders = open_folders(settings)
    program = attempt(settings.bpf_directory)  # takes its time; so before the guard's turn comes
    if not _have_lock(settings, folders.state, log, stop):
        return 0 if stop() else HELD
    understudy = Understudy()  # before any thread is started: a process with threads had better not fork
    use_one_arena()
    raise_file_limit()
    parts = assemble(settings, log, folders, stop.wake)
    parts.chooser.adopt(program)
    for descriptor in parts.chooser.descriptors:
        parts.pressure.also_wake(descriptor)
    take_over(parts)
    loop = Loop(parts)
    loop.problems["memory"] = lock_memory()
    log.info("Started", pid=os.getpid(), cgroups=settings.cgroup_root, targets=parts.inbox.path)
    loop.warm_up(understudy)
    gc.collect()
    gc.freeze()  # what lives until the end need not be looked at in every collection
    loop.run(stop)
    parts.ledger.flush()
    parts.journal_disk.wait(LAST_WORDS_SECONDS)  # what is not written by then is in the ring
    if withdraw(parts):
        log.info("Stopped, and left nothing but the journal: no policy acts here")
    else:
        log.info("Stopped, which changes nothing on the node")
    return 0


def _have_lock(settings: Settings, state: int, log: Log, stop: _Stop) -> bool:
    """Waits for the lock where Kubernetes replaces one guard by another; on a bare host a second one is a mistake."""
    who = f"pid {os.getpid()}" + (f" of pod {settings.pod_uid}" if settings.pod_uid else "")
    path = f"{settings.state_directory}/{NAME}"
    has_said = False
    while try_lock(state, who) is None:
        if not settings.pod_uid:
            log.error("Another guard works on this host", lock=path, holder=holder(state))
            return False
        if not has_said:
            log.info("Waiting until the guard before this one has gone", lock=path, holder=holder(state))
            has_said = True
        time.sleep(LOCK_SECONDS)
        if stop():
            return False
    return True
