"""The parts of a guard, put together once: who reads what from where, and who tells whom."""

import os
from dataclasses import dataclass

from oompolicy_agent.guard.budget import Budget
from oompolicy_agent.guard.census import Census
from oompolicy_agent.guard.chooser import Chooser
from oompolicy_agent.guard.disk import Disk
from oompolicy_agent.guard.enforcer import Enforcer
from oompolicy_agent.guard.files import make_directory
from oompolicy_agent.guard.gauges import Gauges
from oompolicy_agent.guard.inbox import Inbox
from oompolicy_agent.guard.journal import Journal
from oompolicy_agent.guard.kernel_kills import KernelKills
from oompolicy_agent.guard.ledger import Ledger
from oompolicy_agent.guard.log import Log
from oompolicy_agent.guard.memcgs import CgroupFS
from oompolicy_agent.guard.outcasts import Outcasts
from oompolicy_agent.guard.pressure import Pressure
from oompolicy_agent.guard.sandboxes import Roles
from oompolicy_agent.guard.settings import Settings
from oompolicy_agent.guard.status import StatusFile

__all__ = ["Folders", "Parts", "assemble", "open_folders"]

INBOX = "inbox"
OUTBOX = "outbox"
TARGETS = "targets.json"


@dataclass(frozen=True, slots=True)
class Folders:
    """Descriptors of the guard's own directories."""

    state: int
    outbox: int


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that a guard is made of."""

    settings: Settings
    log: Log
    inbox: Inbox
    census: Census
    gauges: Gauges
    pressure: Pressure
    kernel_kills: KernelKills
    chooser: Chooser
    outcasts: Outcasts
    budget: Budget
    ledger: Ledger
    enforcer: Enforcer
    status_file: StatusFile
    status_disk: Disk


def open_folders(settings: Settings) -> Folders:
    """Makes the guard's directories; raises OSError. The inbox belongs to our group, which is sync's too."""
    state = make_directory(settings.state_directory, 0o755)
    inbox = make_directory(f"{settings.state_directory}/{INBOX}", 0o770)
    os.fchown(inbox, -1, os.getegid())
    os.close(inbox)
    return Folders(state, make_directory(f"{settings.state_directory}/{OUTBOX}", 0o755))


def assemble(settings: Settings, log: Log, folders: Folders, wake: int) -> Parts:
    """Puts the parts together; the descriptor `wake` becomes readable when the guard must not go on sleeping."""
    cgroups = CgroupFS(settings.cgroup_root)
    census = Census(cgroups, Roles(settings.host_root), settings.limits, settings.pod_uid)
    pressure = Pressure(settings.limits, wake)
    chooser = Chooser(cgroups, census, settings.proc)
    journal_disk, status_disk = (
        Disk(),
        Disk(),
    )  # one each: a journal that waits for its disk must not silence the status
    ledger = Ledger(Journal(folders.outbox, log, journal_disk), log)
    budget, outcasts = Budget(settings.limits), Outcasts(settings.limits)
    return Parts(
        settings=settings,
        log=log,
        inbox=Inbox(settings.targets or f"{settings.state_directory}/{INBOX}/{TARGETS}", log),
        census=census,
        gauges=Gauges(cgroups, settings.proc, settings.limits, pressure.stall_milliseconds),
        pressure=pressure,
        kernel_kills=KernelKills(cgroups),
        chooser=chooser,
        outcasts=outcasts,
        budget=budget,
        ledger=ledger,
        enforcer=Enforcer(chooser, budget, ledger, outcasts, log),
        status_file=StatusFile(folders.outbox, log, status_disk),
        status_disk=status_disk,
    )
