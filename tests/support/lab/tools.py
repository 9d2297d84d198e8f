"""Finds the programs of the host that the tests and the demo need, and installs what is missing.

`make` runs this file before anything else, with whatever python3 the machine has: it imports the standard library only.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["BROWSERS", "HOST_PACKAGES", "UNPRIVILEGED_PACKAGES", "MissingToolError", "require", "require_browser", "uv"]

SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])
"""Debian keeps mke2fs and others where only root's PATH looks."""

HOST_PACKAGES = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",  # disks that outlive their machine
    "mmdebstrap": "mmdebstrap",
    "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",  # Ubuntu does not have it
    "gpg": "gpg",  # mmdebstrap asks it which keyring fits; apt alone has gpgv only
    "mke2fs": "e2fsprogs",
    "setpriv": "util-linux",
    "buildah": "buildah",
    "openssl": "openssl",
    "zstd": "zstd",
    "gcc": "gcc",  # the first two for the workload of the tests, all for the kernel with the OOM hook
    "/usr/include/stdio.h": "libc6-dev",
    "flex": "flex",
    "bison": "bison",
    "bc": "bc",
    "pahole": "dwarves",
    "patch": "patch",
    "xz": "xz-utils",
    "/usr/include/libelf.h": "libelf-dev",
    "/usr/include/openssl/ssl.h": "libssl-dev",
}
"""Each command (or file) that is needed on the host, and the Debian package that brings it."""

BROWSERS = ("chromium-headless-shell", "chromium", "google-chrome")
"""Any of them shows reports to the tests. The first is Debian's package; Ubuntu has none, it is the user's there."""

UNPRIVILEGED_PACKAGES = {"fakeroot": "fakeroot", "newuidmap": "uidmap"}
"""What is needed besides when nobody is root."""

PYTHON = (3, 11)
GO = (1, 21)
"""The oldest Go that fetches a newer toolchain by itself, through the module proxy."""


class MissingToolError(RuntimeError):
    """A program of the host is missing; the message names the package that brings it."""

    def __init__(self, command: str, package: str) -> None:
        super().__init__(f"{command} was not found on PATH; install it with: apt-get install {package}")


def require(command: str, *, package: str) -> str:
    """The path of `command`; raises MissingToolError naming the Debian `package` when it is not there."""
    if path := shutil.which(command, path=SEARCH_PATH):
        return path
    raise MissingToolError(command, package)


def require_browser() -> str:
    """The path of the first of BROWSERS that is there; raises MissingToolError."""
    found = next((name for name in BROWSERS if _is_here(name)), BROWSERS[0])
    return require(found, package=f"{BROWSERS[0]} (on Ubuntu install {BROWSERS[-1]} yourself)")


def uv() -> Path:
    """Where uv is, or will be: `$UV`, else on PATH, else in a virtual environment of its own in the cache."""
    known = os.environ.get("UV") or shutil.which("uv")
    cache = Path(os.environ.get("OOMPOLICY_CACHE") or Path.home() / ".cache" / "oompolicy")
    return Path(known) if known else cache / "uv" / "bin" / "uv"


def _missing_packages() -> list[str]:
    needed = HOST_PACKAGES if os.geteuid() == 0 else HOST_PACKAGES | UNPRIVILEGED_PACKAGES
    missing = {package for what, package in needed.items() if not _is_here(what)}
    if not _has_venv():
        missing.add("python3-venv")
    return sorted(missing)


def _is_here(what: str) -> bool:
    return Path(what).exists() if what.startswith("/") else shutil.which(what, path=SEARCH_PATH) is not None


def _is_ubuntu() -> bool:
    release = Path("/etc/os-release")
    return release.exists() and bool(re.search(r"^ID=\W?ubuntu\b", release.read_text(), re.MULTILINE))


def _has_venv() -> bool:
    return subprocess.run([sys.executable, "-c", "import ensurepip"], capture_output=True, check=False).returncode == 0


def _install(packages: Sequence[str]) -> None:
    elevated = [] if os.geteuid() == 0 else ["sudo", "-n"]
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    print(f"Installing with apt: {' '.join(packages)}", file=sys.stderr)
    for step in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *packages]):
        subprocess.run([*elevated, "apt-get", *step], check=True, env=environment, stdout=sys.stderr)


def _may_install() -> bool:
    if not shutil.which("apt-get"):
        return False
    return os.geteuid() == 0 or subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0


def _set_up_packages() -> None:
    missing = _missing_packages()
    if not missing:
        return
    if not _may_install():
        raise SystemExit(
            f"Missing on this machine. Run: sudo apt-get install --no-install-recommends {' '.join(missing)}"
        )
    _install(missing)


def _set_up_browser() -> None:
    """Nothing but a few tests needs it, so that a machine that cannot have it has all the rest."""
    if any(map(_is_here, BROWSERS)) or _is_ubuntu() or not _may_install():
        return
    try:
        _install(BROWSERS[:1])
    except subprocess.CalledProcessError:
        print("No browser could be installed, so the tests that need one will be skipped", file=sys.stderr)


def _set_up_uv() -> None:
    if uv().exists():
        return
    home = uv().parents[1]
    print(f"Installing uv into {home}", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", home], check=True)
    subprocess.run([home / "bin" / "pip", "install", "--quiet", "uv>=0.13"], check=True)


def _check_languages() -> None:
    """Python and Go are the user's: a distribution's packages may be too old, and then no apt line helps."""
    if sys.version_info < PYTHON:
        raise SystemExit(f"python3 must be {_dotted(PYTHON)} or newer; this is {sys.version.split()[0]}")
    if not shutil.which("go"):
        raise SystemExit(f"go was not found on PATH; install Go {_dotted(GO)} or newer: https://go.dev/dl")
    said = subprocess.run(["go", "version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"\bgo(\d+)\.(\d+)", said)
    if not found or (int(found[1]), int(found[2])) < GO:
        raise SystemExit(f"Go must be {_dotted(GO)} or newer (https://go.dev/dl); this is {said.strip()!r}")


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))


def main() -> None:
    """Installs what is missing, or says what to type; with `--print-uv` only says where uv is."""
    if sys.argv[1:] == ["--print-uv"]:
        print(uv())
        return
    _check_languages()
    _set_up_packages()
    _set_up_browser()
    _set_up_uv()


if __name__ == "__main__":
    main()
