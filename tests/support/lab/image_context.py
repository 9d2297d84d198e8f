"""Lays out the folder that agent/Containerfile and operator/Containerfile copy from.

libraries/ is what both need, agent/ and operator/ are what each adds. Everything is prepared here: locked packages with
their hashes checked, this project's own packages, and the programs for the kernel. `python -m lab.image_context FOLDER`
does it for a build by hand, as in `podman build --file agent/Containerfile FOLDER`.
"""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from lab import bpf, tools
from lab.base_image import PYTHON_VERSION

__all__ = ["PROJECT", "inputs", "lay_out"]

PROJECT = Path(__file__).parents[3]

PACKAGES = {"agent": ("oompolicy_api", "oompolicy_agent"), "operator": ("oompolicy_api", "oompolicy_operator")}
"""Which of this project's packages are in which image."""

LEFT_OUT = ("__pycache__", "cli")
"""The command line is for people's own machines; what it imports is in no image."""

PRECOMPILE = Path(__file__).parent / "precompile.py"

_SCRIPT = "#!/usr/bin/env python3\nimport sys\nfrom {module} import {function}\nsys.exit({function}())\n"


def inputs() -> list[str | Path]:
    """All that decides what is in the folder."""
    files = sorted(path for folder in _package_folders().values() for path in _kept_files(folder))
    named = [part for path in files for part in (str(path.relative_to(PROJECT)), path)]
    return [
        *named,
        *sorted(bpf.programs().iterdir()),
        PROJECT / "pyproject.toml",
        PROJECT / "uv.lock",
        Path(__file__),
        PRECOMPILE,
        PYTHON_VERSION,
    ]


def lay_out(folder: Path) -> None:
    """Fills `folder`; it must not be there yet."""
    _install(folder / "libraries", "sync")
    _install(folder / "operator" / "libraries", "operator")
    for shared in (folder / "libraries").iterdir():
        _remove(folder / "operator" / "libraries" / shared.name)
    for image, packages in PACKAGES.items():
        _add_project(folder / image, packages)
        shutil.copy(PRECOMPILE, folder / image)
    shutil.copytree(bpf.programs(), folder / "agent" / "bpf")


def _add_project(target: Path, packages: tuple[str, ...]) -> None:
    for package in packages:
        ignored = shutil.ignore_patterns(*LEFT_OUT)
        shutil.copytree(_package_folders()[package], target / "project" / package, ignore=ignored)
    (target / "bin").mkdir()
    for name, entry in _pyproject()["project"]["scripts"].items():
        module, function = entry.split(":")
        package, *parts = module.split(".")
        if package in packages and not set(LEFT_OUT) & set(parts):
            (target / "bin" / name).write_text(_SCRIPT.format(module=module, function=function))
            (target / "bin" / name).chmod(0o755)


def _install(target: Path, extra: str) -> None:
    """Installs the locked packages of one extra, for the images' Python, with their hashes checked."""
    uv = tools.uv()
    target.mkdir(parents=True)
    locked = target.with_suffix(".txt")
    export = ["export", "--frozen", "--quiet", "--no-dev", "--no-emit-project", f"--extra={extra}"]
    subprocess.run([uv, *export, f"--output-file={locked}"], cwd=PROJECT, check=True, stdout=subprocess.DEVNULL)
    platform = ["--python-version", PYTHON_VERSION, "--python-platform", "x86_64-manylinux_2_28"]
    install = ["pip", "install", "--quiet", "--require-hashes", f"--target={target}", *platform]
    subprocess.run([uv, *install, "-r", locked], check=True)
    locked.unlink()


def _package_folders() -> dict[str, Path]:
    wheel = _pyproject()["tool"]["hatch"]["build"]["targets"]["wheel"]
    return {Path(package).name: PROJECT / package for package in wheel["packages"]}


def _pyproject() -> dict[str, Any]:
    return tomllib.loads((PROJECT / "pyproject.toml").read_text())


def _kept_files(folder: Path) -> list[Path]:
    return [
        path for path in folder.rglob("*") if path.is_file() and not set(LEFT_OUT) & set(path.relative_to(folder).parts)
    ]


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    lay_out(Path(sys.argv[1]))
