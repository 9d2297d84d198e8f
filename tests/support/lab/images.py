"""Builds the container images from their Containerfiles with buildah, and bundles them for a node.

No image is pulled: the base is a small Debian with Python, made here from Debian's packages. `python -m lab.images`
prints where the bundle is.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from lab import base_image, binaries, cache, image_context, workload
from lab.buildah import Buildah
from lab.image_context import PROJECT

__all__ = ["AGENT", "OPERATOR", "SANDBOX", "WORKLOAD", "bundle"]

AGENT = "localhost/oompolicy/agent:dev"
OPERATOR = "localhost/oompolicy/operator:dev"
WORKLOAD = "localhost/oompolicy/workload:dev"
SANDBOX = "localhost/oompolicy/pause:dev"

_BASE = "localhost/oompolicy/base:dev"


def bundle() -> Path:
    """An OCI archive with all four images; shared layers are in it once."""
    folders = (PROJECT / "agent", PROJECT / "operator", workload.FOLDER)
    recipe = [*(folder / "Containerfile" for folder in folders), Path(__file__)]
    inputs = [*image_context.inputs(), *recipe, base_image.base(), workload.program(), binaries.pause()]
    says = "operator, agent, workload and pause, half a minute"
    return cache.built("images", inputs, _build, says=says) / "images.tar"


def _build(folder: Path) -> None:
    image_context.lay_out(folder / "context")
    builder = Buildah(folder)
    builder.import_content(_BASE, base_image.base())
    builder.build(AGENT, PROJECT / "agent/Containerfile", folder / "context", _BASE)
    builder.build(OPERATOR, PROJECT / "operator/Containerfile", folder / "context", _BASE)
    builder.build(WORKLOAD, workload.FOLDER / "Containerfile", workload.program().parent, _BASE)
    builder.import_content(SANDBOX, binaries.pause(), '--entrypoint=["/pause"]')
    for image in (AGENT, OPERATOR, WORKLOAD, SANDBOX):
        builder.push(image, folder / "layout")
    subprocess.run(["tar", "-cf", folder / "images.tar", "-C", folder / "layout", "."], check=True)
    for scratch in ("context", "layout", "storage", "run"):
        shutil.rmtree(folder / scratch, ignore_errors=True)


if __name__ == "__main__":
    sys.stdout.write(f"{bundle()}\n")
