"""buildah with a storage of its own, which needs neither a daemon nor a registry."""

import subprocess
from pathlib import Path

from lab import tools

__all__ = ["Buildah"]


class Buildah:
    """Builds images in `folder`; raises RuntimeError with buildah's last words."""

    def __init__(self, folder: Path) -> None:
        program = tools.require("buildah", package="buildah")
        self._command: list[str | Path] = [program, f"--root={folder / 'storage'}", f"--runroot={folder / 'run'}"]
        self._command.append(f"--storage-driver={self._driver()}")

    def build(self, name: str, containerfile: Path, context: Path, base: str, *, output: Path | None = None) -> None:
        """Builds `containerfile` on the image `base`; with `output` its files go there, and there is no image."""
        options = ["--isolation=chroot", "--layers", "--pull-never", f"--build-arg=BASE={base}"]
        target = f"--output=type=local,dest={output}" if output else f"--tag={name}"
        self._run("build", "--quiet", *options, target, f"--file={containerfile}", context)

    def import_content(self, name: str, content: Path, *config: str) -> None:
        """Makes an image of one layer: a tar of a root file system, or a single program."""
        container = self._run("from", "scratch").strip()
        self._run("add", "--quiet", container, content, "/")
        if config:
            self._run("config", *config, container)
        self._run("commit", "--quiet", "--rm", container, name)

    def push(self, name: str, layout: Path) -> None:
        """Adds the image to the OCI layout in that folder; layers that are there already are shared."""
        self._run("push", "--quiet", name, f"oci:{layout}:{name}")

    def _driver(self) -> str:
        """`overlay` where this machine allows it: `vfs` copies the whole file system for each layer."""
        probe = [*self._command, "--storage-driver=overlay", "info"]
        works = subprocess.run(probe, capture_output=True, check=False).returncode == 0
        return "overlay" if works else "vfs"

    def _run(self, *arguments: str | Path) -> str:
        result = subprocess.run([*self._command, *arguments], capture_output=True, text=True, check=False)
        if result.returncode:
            raise RuntimeError(f"buildah {arguments[0]}: {result.stderr.strip()[-2000:]}")
        return result.stdout
