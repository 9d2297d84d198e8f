"""Builds the BPF objects and their loader in a Debian of their own: the host's clang and libbpf may be any, or none."""

import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from lab import cache, debian
from lab.buildah import Buildah
from lab.vm import VM

__all__ = ["DIRECTORY", "give", "programs"]

SOURCES = Path(__file__).parents[3] / "agent" / "bpf"

SUITE = "forky"
"""The oldest Debian whose static libelf is complete; trixie's lacks a part of itself."""

PACKAGES = ("clang", "make", "libbpf-dev", "libelf-dev", "zlib1g-dev", "libzstd-dev", "libc6-dev", "dash", "coreutils")
OPTIONS = (
    '--aptopt=Acquire::Check-Valid-Until "false"',  # as for the machines' file system
    *(
        f"--dpkgopt=path-exclude={pattern}"
        for pattern in ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*")
    ),
)

DIRECTORY = "/opt/oompolicy-bpf"
"""Not where the guard looks by itself: most machines are to have no such program."""

_BASE = "localhost/oompolicy/bpf-toolchain:dev"


def give(vm: VM) -> None:
    """Puts the programs into a machine, in `DIRECTORY`."""
    for path in programs().iterdir():
        vm.push(path, f"{DIRECTORY}/{path.name}")


def programs(*more: Path) -> Path:
    """A folder with `oompolicy.bpf.o` and `oompolicy-bpf-load`, from the cache or made now.

    `more` are sources of other objects, which are built beside it.
    """
    sources = [*sorted(path for path in SOURCES.iterdir() if path.is_file() and path.suffix != ".md"), *more]
    inputs: list[str | Path] = [part for path in sources for part in (path.name, path)]
    says = "BPF objects and their loader, a quarter of a minute"
    return cache.built("bpf", [*inputs, *_toolchain_inputs()], partial(_build, sources), says=says)


def _build(sources: Sequence[Path], folder: Path) -> None:
    scratch = folder / "scratch"
    (scratch / "source").mkdir(parents=True)
    for path in sources:
        shutil.copy(path, scratch / "source")
    builder = Buildah(scratch)
    builder.import_content(_BASE, _toolchain())
    containerfile = SOURCES / "Containerfile"
    builder.build("localhost/oompolicy/bpf:dev", containerfile, scratch / "source", _BASE, output=folder)
    shutil.rmtree(scratch)


def _toolchain() -> Path:
    says = f"Debian {SUITE} with clang and libbpf, half a minute"
    return cache.built("bpf-toolchain", _toolchain_inputs(), _bootstrap, says=says) / "root.tar"


def _toolchain_inputs() -> list[str]:
    return [SUITE, *PACKAGES, *OPTIONS]


def _bootstrap(folder: Path) -> None:
    debian.extract(SUITE, PACKAGES, OPTIONS, folder / "root.tar")
