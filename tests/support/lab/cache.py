"""Builds slow things once: a folder keyed by the inputs of what is in it.

`built("kube", ["v1.37.2"], build)` returns the same folder every time until an input changes. A build happens in a
scratch folder that is renamed at its end, so that a killed build leaves nothing behind that looks finished; a lock file
keeps two processes from building the same thing.
"""

import fcntl
import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lab import report

__all__ = ["built", "cache_root", "is_built", "key_of"]

KEPT = 3
"""How many builds of the same name stay: for this checkout, another one, and the state before the last change."""


def cache_root() -> Path:
    """The project's cache folder: `$OOMPOLICY_CACHE`, else `~/.cache/oompolicy`. Created when absent."""
    root = Path(os.environ.get("OOMPOLICY_CACHE") or Path.home() / ".cache" / "oompolicy")
    root.mkdir(parents=True, exist_ok=True)
    return root


def key_of(inputs: Iterable[str | bytes | Path]) -> str:
    """A short digest of `inputs`; a path stands for the content of that file."""
    digest = hashlib.sha256()
    for item in inputs:
        content = item.read_bytes() if isinstance(item, Path) else item.encode() if isinstance(item, str) else item
        digest.update(f"{len(content)}:".encode() + content)
    return digest.hexdigest()[:16]


def built(name: str, inputs: Iterable[str | bytes | Path], build: Callable[[Path], None], *, says: str = "") -> Path:
    """The folder `NAME-KEY` in the cache, made by `build(folder)` when it is not there yet.

    `says` tells a person what is going on and how long it takes; the time it really took is printed at the end.
    """
    target = _place_of(name, inputs)
    if not target.exists():
        with _locked(target.with_suffix(".lock")):
            if not target.exists():
                _build(name, target, build, says)
                _forget_oldest(name)
    os.utime(target)
    return target


def is_built(name: str, inputs: Iterable[str | bytes | Path]) -> bool:
    """Whether `built` would return at once."""
    return _place_of(name, inputs).exists()


def _place_of(name: str, inputs: Iterable[str | bytes | Path]) -> Path:
    return cache_root() / f"{name}-{key_of(inputs)}"


def _forget_oldest(name: str) -> None:
    """Every change of the code makes new images and disks: keeps those that were used last."""
    builds = [path for path in cache_root().iterdir() if re.fullmatch(rf"{re.escape(name)}-[0-9a-f]{{16}}", path.name)]
    for path in sorted(builds, key=lambda path: path.stat().st_mtime)[:-KEPT]:
        shutil.rmtree(path, ignore_errors=True)


def _build(name: str, target: Path, build: Callable[[Path], None], says: str) -> None:
    scratch = target.with_suffix(".partial")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    report.step(f"Building {name}" + (f": {says}" if says else ""))
    start = time.monotonic()
    build(scratch)
    scratch.rename(target)
    report.done(f"{name} built in {time.monotonic() - start:.0f} s, kept in {target}")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
