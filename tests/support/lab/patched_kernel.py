"""Builds the kernel with the BPF OOM hook, from Debian's source and the patches in agent/kernel.

`python3 -m lab.patched_kernel [CONFIG]` builds it ahead of time, and says where it is.
"""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

from lab import cache, debian

__all__ = ["is_built", "patched_kernel"]

FILES = Path(__file__).parents[3] / "agent" / "kernel"
SUITE, PACKAGE = "trixie", "linux-source-7.3"
SOURCES = tuple(f"deb http://deb.debian.org/debian {suite} main" for suite in (SUITE, f"{SUITE}-backports"))
ARCHIVE = "usr/src/linux-source-7.3.tar.xz"
MINUTES = {"minimal": 10, "node": 15, "debug": 20}
FRAGMENTS = ("oompolicy", "minimal")
"""Of the configuration, in all of them; each has one of its own name, too."""


def patched_kernel(config: str = "minimal") -> Path:
    """The kernel, from the cache or built now; `config` is one of those that agent/kernel/build has by name."""
    says = f"Linux 7.3 with the BPF OOM hook, {MINUTES[config]} minutes on two cores"
    return cache.built(f"kernel-{config}", _inputs(config), partial(_build, config), says=says) / "vmlinuz"


def is_built(config: str = "minimal") -> bool:
    """Whether nobody would have to wait for it."""
    return cache.is_built(f"kernel-{config}", _inputs(config))


def _inputs(config: str) -> list[str | Path]:
    fragments = [FILES / f"config/{name}.config" for name in (*FRAGMENTS, config)]
    files = [FILES / "build", *sorted((FILES / "patches").iterdir()), *dict.fromkeys(fragments)]
    return [config, *(part for path in files for part in (path.name, path))]


def _build(config: str, folder: Path) -> None:
    """Keeps the image and its configuration only; what lies about while it is built takes 3 GB."""
    work = folder / "work"
    with (folder / "build.log").open("wb") as log:
        command: list[str | Path] = [FILES / "build", config, _source(), work]
        code = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False).returncode
    if code:
        last = "\n".join((folder / "build.log").read_text(errors="replace").splitlines()[-15:])
        raise RuntimeError(f"agent/kernel/build ended with {code}; its last lines:\n{last}")
    for name in ("vmlinuz", "config"):
        (work / name).rename(folder / name)
    subprocess.run(["rm", "-rf", work], check=True)


def _source() -> Path:
    says = "Debian's source of Linux 7.3, half a minute"
    return cache.built("kernel-source", [*SOURCES, PACKAGE], _fetch, says=says) / Path(ARCHIVE).name


def _fetch(folder: Path) -> None:
    debian.extract(SUITE, [PACKAGE], [], folder / "root.tar", sources=SOURCES)
    member = f"./{ARCHIVE}"
    strip = f"--strip-components={member.count('/')}"
    subprocess.run(["tar", "-xf", folder / "root.tar", "-C", folder, strip, member], check=True)
    (folder / "root.tar").unlink()


if __name__ == "__main__":
    os.nice(19)  # it has time, whatever runs beside it has not
    print(patched_kernel(*sys.argv[1:]))
