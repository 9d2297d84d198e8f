"""What is measured side by side, each started as its package or its documentation starts it."""

import json
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.scenarios import CRIT
from guard_scene import CGROUPS, GENEROUS, Scene
from lab.guest_process import GuestProcess
from lab.vm import PROJECT

__all__ = ["HOME", "KILLERS", "PACKAGE_NAMES", "Killer"]

HOME = "/guard"
"""The cgroup that a killer runs in."""

PACKAGE_NAMES = ("earlyoom", "systemd-oomd")

MANAGER_SOCKET = "/run/systemd/io.systemd.ManagedOOM"
"""Where systemd-oomd looks for PID 1."""


@dataclass(frozen=True, slots=True)
class Killer:
    """One contender."""

    name: str
    says: str
    start: Callable[[Scene], GuestProcess | None]
    """Returns once it watches; None: there is no process."""


def _kernel(_: Scene) -> None:
    """Nobody but the kernel, with the oom_score_adj that kubelet gives."""


def _earlyoom(scene: Scene) -> GuestProcess:
    """As Debian's earlyoom.service: its arguments, its oom_score_adj, its nice value, its limit."""
    scene.vm.write(f"{CGROUPS}{HOME}/memory.max", "50M")
    arguments = scene.vm.run(["sh", "-c", '. /etc/default/earlyoom; printf %s "$EARLYOOM_ARGS"']).stdout
    process = _at_home(scene, ["nice", "-n", "-20", "earlyoom", *shlex.split(arguments)], oom_score_adj=-100)
    process.wait_for("mem avail:", GENEROUS)
    return process


def _systemd_oomd(scene: Scene) -> GuestProcess:
    """As Debian's systemd-oomd.service, with Debian's oomd.conf.d; kubepods is managed, crit is to be omitted.

    PID 1 of the machine is not systemd: a program of ours answers in its place what systemd would answer with
    `ManagedOOMMemoryPressure=kill` on kubepods and the defaults for limit and duration.
    """
    managed = {"mode": "kill", "path": "/kubepods", "property": "ManagedOOMMemoryPressure"}
    scene.vm.run(["mkdir", "-p", "/run/systemd/oom", "/run/systemd/system"])
    scene.vm.write(f"{CGROUPS}{HOME}/memory.min", "64M")
    program = f"{PROJECT}/tests/support/bench/guest/manager.py"
    manager = scene.start("/always", ["python3", program, MANAGER_SOCKET, json.dumps({"cgroups": [managed]})])
    manager.wait_for("listening", GENEROUS)
    omit = "import os, sys; os.setxattr(sys.argv[1], 'user.oomd_omit', b'1')"  # what ManagedOOMPreference=omit does
    scene.vm.python(omit, f"{CGROUPS}{CRIT.path}/{CRIT.container_id}")
    process = _at_home(scene, ["/usr/lib/systemd/systemd-oomd"], oom_score_adj=-900)
    manager.wait_for("asked", GENEROUS)
    return process


def _guard(scene: Scene) -> GuestProcess:
    """Ours, told of the pods as its sync would tell it."""
    scene.tell()
    return scene.guard().process


def _at_home(scene: Scene, argv: Sequence[str], *, oom_score_adj: int) -> GuestProcess:
    return scene.start(HOME, argv, oom_score_adj=oom_score_adj)


KILLERS = {
    killer.name: killer
    for killer in (
        Killer("kernel", "kubelet's oom_score_adj and nobody else", _kernel),
        Killer("earlyoom", "Debian's defaults", _earlyoom),
        Killer("systemd-oomd", "Debian's defaults, kubepods managed, crit to be omitted", _systemd_oomd),
        Killer("guard", "ours, Enforce", _guard),
    )
}
