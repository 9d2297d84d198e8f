"""The parts of a guard, put together once: who reads what from where, and who tells whom."""

import os
from dataclasses import dataclass

from oompolicy_agent.guard.adjustments import Adjustments
from oompolicy_agent.guard.backends import Backends
from oompolicy_agent.guard.budget import Budget
from oompolicy_agent.guard.census import Census
from oompolicy_agent.guard.chooser import Chooser
from oompolicy_agent.guard.disk import Disk
from oompolicy_agent.guard.enforcer import Enforcer
from oompolicy_agent.guard.execution import Means
from oompolicy_agent.guard.files import make_directory
from oompolicy_agent.guard.folder_watch import FolderWatch
from oompolicy_agent.guard.gauges import Gauges
from oompolicy_agent.guard.inbox import Inbox
from oompolicy_agent.guard.journal import Journal
from oompolicy_agent.guard.kernel_kills import KernelKills
from oompolicy_agent.guard.kill import Crew
from oompolicy_agent.guard.last_good import LastGood
from oompolicy_agent.guard.ledger import Ledger
from oompolicy_agent.guard.log import Log
from oompolicy_agent.guard.memcgs import CgroupFS
from oompolicy_agent.guard.outcasts import Outcasts
from oompolicy_agent.guard.pressure import Pressure
from oompolicy_agent.guard.ring import Ring
from oompolicy_agent.guard.sandboxes import Roles
from oompolicy_agent.guard.settings import Settings
from oompolicy_agent.guard.shadow import Shadow
from oompolicy_agent.guard.status import StatusFile, boot_id

__all__ = ["INBOX", "Folders", "Parts", "assemble", "open_folders"]

INBOX = "inbox"
OUTBOX = "outbox"
TARGETS = "targets.json"


@dataclass(frozen=True, slots=True)
class Folders:
    """Descriptors of the guard's own directories."""

    state: int
    outbox: int
    runtime: int | None
    """On tmpfs; None if it cannot be had."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that a guard is made of."""

    settings: Settings
    log: Log
    inbox: Inbox
    folders: FolderWatch
    """Over the directories of the inbox and of the state: news of targets, and the break-glass file."""
    census: Census
    gauges: Gauges
    pressure: Pressure
    kernel_kills: KernelKills
    chooser: Backends
    means: Means
    outcasts: Outcasts
    budget: Budget
    ledger: Ledger
    enforcer: Enforcer
    shadow: Shadow
    adjustments: Adjustments
    status_file: StatusFile
    status_disk: Disk
    journal_disk: Disk
    outbox: int
    """A descriptor of the directory."""


def open_folders(settings: Settings) -> Folders:
    """Makes the guard's directories; raises OSError. The inbox belongs to our group, which is sync's too."""
    state = make_directory(settings.state_directory, 0o755)
    inbox = make_directory(f"{settings.state_directory}/{INBOX}", 0o770)
    if os.fstat(inbox).st_gid != os.getegid():
        os.fchown(inbox, -1, os.getegid())
    os.close(inbox)
    outbox = make_directory(f"{settings.state_directory}/{OUTBOX}", 0o755)
    try:
        runtime = make_directory(settings.runtime_directory, 0o700)
    except OSError:  # the ring will say that it has no place
        runtime = None
    return Folders(state, outbox, runtime)


def assemble(settings: Settings, log: Log, folders: Folders, wake: int) -> Parts:
    """Puts the parts together; the descriptor `wake` becomes readable when the guard must not go on sleeping."""
    cgroups = CgroupFS(settings.cgroup_root)
    census = Census(cgroups, Roles(settings.host_root), settings.limits, settings.pod_uid, settings.proc)
    pressure = Pressure(settings.limits, wake)
    chooser = Backends(Chooser(cgroups, census, settings.proc), log, settings.host_root)
    means = Means(cgroups, settings.proc, Crew())
    # one each: a journal that waits for its disk must not silence the status
    journal_disk, status_disk = Disk(), Disk()
    ring = Ring(folders.runtime, log)
    ledger = Ledger(Journal(folders.outbox, log, journal_disk, ring), ring, log)
    source = settings.targets or f"{settings.state_directory}/{INBOX}/{TARGETS}"
    budget, outcasts = Budget(settings.limits), Outcasts(settings.limits)
    news = FolderWatch([os.path.dirname(source), settings.state_directory])  # noqa: PTH120 - as elsewhere in the guard
    for descriptor in (news.descriptor, census.descriptor):
        if descriptor >= 0:
            pressure.also_wake(descriptor)
    return Parts(
        settings=settings,
        log=log,
        inbox=Inbox(source, log, limits=settings.limits, last_good=LastGood(folders.state, Disk(), source, log)),
        folders=news,
        census=census,
        gauges=Gauges(cgroups, settings.proc, settings.limits, pressure.stall_milliseconds),
        pressure=pressure,
        kernel_kills=KernelKills(cgroups),
        chooser=chooser,
        means=means,
        outcasts=outcasts,
        budget=budget,
        ledger=ledger,
        adjustments=Adjustments(cgroups, settings.proc, folders.runtime, boot_id(settings.proc), log),
        enforcer=Enforcer(chooser, means, budget=budget, ledger=ledger, outcasts=outcasts, log=log),
        shadow=Shadow(Chooser(cgroups, census, settings.proc), chooser.chosen, ledger),
        status_file=StatusFile(folders.outbox, log, status_disk),
        status_disk=status_disk,
        journal_disk=journal_disk,
        outbox=folders.outbox,
    )
