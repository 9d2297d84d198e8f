"""Makes the image that the others begin from where no registry is at hand: Debian's Python and what that needs."""

from pathlib import Path

from lab import cache, debian

__all__ = ["PYTHON_VERSION", "base"]

SUITE = "trixie"
PYTHON_VERSION = "3.13"
"""Debian trixie's."""

PACKAGES = ("python3", "dash", "coreutils", "base-files", "netbase")

LEFT_OUT = (
    "/usr/share/doc/*",
    "/usr/share/man/*",
    "/usr/share/info/*",
    "/usr/share/lintian/*",
    "/usr/share/locale/*",
    "/usr/share/perl5/*",
    "/usr/share/zoneinfo/*",
    "/usr/lib/x86_64-linux-gnu/gconv/*",
    f"/usr/lib/python{PYTHON_VERSION}/test/*",
    f"/usr/lib/python{PYTHON_VERSION}/pydoc_data/*",
)

# The packages are never configured, so there are no users yet; and what names this host has no place in an image.
USERS = r"root:x:0:0:root:/root:/bin/sh\nnonroot:x:65532:65532::/:/bin/sh\n"
HOOKS = (f"printf '{USERS}' > $1/etc/passwd", "rm $1/etc/hostname $1/etc/resolv.conf")


def base() -> Path:
    """A tar of the file system, from the cache or made now."""
    says = f"Debian {SUITE} with Python, about ten seconds"
    return cache.built("image-base", [SUITE, *PACKAGES, *_options()], _bootstrap, says=says) / "base.tar"


def _options() -> list[str]:
    return [
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT),
        *(f"--extract-hook={hook}" for hook in HOOKS),  # the last hooks that this variant runs
    ]


def _bootstrap(folder: Path) -> None:
    debian.extract(SUITE, PACKAGES, _options(), folder / "base.tar")
