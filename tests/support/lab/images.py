"""Builds the container images from their Containerfiles with buildah, and bundles them for a node.

No image is pulled: the base is a small Debian with Python, made here from Debian's packages. `python -m lab.images`
prints where the bundle is.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from lab import binaries, cache, tools

__all__ = ["AGENT", "OPERATOR", "SANDBOX", "WORKLOAD", "bundle"]

AGENT = "localhost/oompolicy/agent:dev"
OPERATOR = "localhost/oompolicy/operator:dev"
WORKLOAD = "localhost/oompolicy/workload:dev"
SANDBOX = "localhost/oompolicy/pause:dev"

PROJECT = Path(__file__).parents[3]
PYTHON_VERSION = "3.13"
"""Debian trixie's."""

SUITE = "trixie"
BASE_PACKAGES = ("python3", "dash", "coreutils", "base-files", "netbase")

_SCRIPT = "#!/usr/bin/env python3\nimport sys\nfrom {module} import main\nsys.exit(main())\n"
_SCRIPTS = {
    "oompolicy-guard": "oompolicy_agent.guard.__main__",
    "oompolicy-sync": "oompolicy_agent.sync.__main__",
    "oompolicy-operator": "oompolicy_operator.__main__",
}
_PACKAGES = ("crds/oompolicy_api", "agent/oompolicy_agent", "operator/oompolicy_operator")


def bundle() -> Path:
    """An OCI archive with all four images; shared layers are in it once."""
    inputs = [*_sources(), *_recipe()]
    return cache.built("images", inputs, _build_bundle, says="operator, agent, workload and pause") / "images.tar"


def _sources() -> list[Path | str]:
    files = [path for package in _PACKAGES for path in sorted((PROJECT / package).rglob("*.py"))]
    return [part for path in files for part in (str(path.relative_to(PROJECT)), path)]


def _recipe() -> list[Path | str]:
    here = Path(__file__).parent
    containerfiles = [PROJECT / folder / "Containerfile" for folder in ("agent", "operator", "tests/workload")]
    return [
        *containerfiles,
        *_base_inputs(),
        PROJECT / "uv.lock",
        PROJECT / "tests/workload/workload.py",
        here / "precompile.py",
    ]


def _base_inputs() -> list[str]:
    return [SUITE, *BASE_PACKAGES]


def _build_bundle(folder: Path) -> None:
    context = folder / "context"
    _lay_out(context)
    builder = _Buildah(folder)
    base = builder.import_base(_base())
    builder.build(AGENT, PROJECT / "agent/Containerfile", context, base)
    builder.build(OPERATOR, PROJECT / "operator/Containerfile", context, base)
    builder.build(WORKLOAD, PROJECT / "tests/workload/Containerfile", PROJECT / "tests/workload", base)
    builder.import_binary(SANDBOX, binaries.pause())
    for image in (AGENT, OPERATOR, WORKLOAD, SANDBOX):
        builder.push(image, folder / "layout")
    subprocess.run(["tar", "-cf", folder / "images.tar", "-C", folder / "layout", "."], check=True)
    for scratch in ("context", "layout", "storage", "run"):
        shutil.rmtree(folder / scratch, ignore_errors=True)


def _lay_out(context: Path) -> None:
    """Makes the folder that the Containerfiles copy from; agent/Containerfile says what is in it."""
    _install(context / "libraries", "sync")
    _install(context / "operator-libraries", "operator")
    for shared in (context / "libraries").iterdir():
        _remove(context / "operator-libraries" / shared.name)
    for package in _PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(PROJECT / package, context / "project" / Path(package).name, ignore=ignored)
    (context / "bin").mkdir()
    for name, module in _SCRIPTS.items():
        (context / "bin" / name).write_text(_SCRIPT.format(module=module))
        (context / "bin" / name).chmod(0o755)
    shutil.copy(Path(__file__).parent / "precompile.py", context)


def _install(target: Path, extra: str) -> None:
    """Installs the locked packages of one extra, for the images' Python, with their hashes checked."""
    uv = tools.uv()
    locked = target.with_suffix(".txt")
    export = ["export", "--frozen", "--quiet", "--no-dev", "--no-emit-project", f"--extra={extra}"]
    locked.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([uv, *export, f"--output-file={locked}"], cwd=PROJECT, check=True, stdout=subprocess.DEVNULL)
    platform = ["--python-version", PYTHON_VERSION, "--python-platform", "x86_64-manylinux_2_28"]
    install = ["pip", "install", "--quiet", "--require-hashes", f"--target={target}", *platform]
    subprocess.run([uv, *install, "-r", locked], check=True)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _base() -> Path:
    says = f"Debian {SUITE} with Python, about half a minute"
    return cache.built("image-base", _base_inputs(), _bootstrap_base, says=says) / "base.tar"


def _bootstrap_base(folder: Path) -> None:
    options = ["--quiet", "--variant=extract", f"--include={','.join(BASE_PACKAGES)}"]
    options += ["--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr"]
    options += [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "locale")]
    # Nothing is configured, so nothing has compiled Python's own library either.
    options += ["--customize-hook=chroot $1 python3 -m compileall -q /usr/lib/python3.13"]
    options += [
        '--customize-hook=printf "root:x:0:0:root:/root:/bin/sh\\nnonroot:x:65532:65532::/:/bin/sh\\n" > $1/etc/passwd'
    ]
    mmdebstrap = tools.require("mmdebstrap", package="mmdebstrap")
    subprocess.run([mmdebstrap, *options, SUITE, folder / "base.tar"], check=True)


class _Buildah:
    """buildah with a storage of its own in `folder`, which needs neither a daemon nor overlay mounts."""

    def __init__(self, folder: Path) -> None:
        self._command = [
            tools.require("buildah", package="buildah"),
            f"--root={folder / 'storage'}",
            f"--runroot={folder / 'run'}",
            "--storage-driver=vfs",
        ]

    def import_base(self, tar: Path) -> str:
        self._from_scratch("localhost/oompolicy/base:dev", tar, "/")
        return "localhost/oompolicy/base:dev"

    def import_binary(self, name: str, binary: Path) -> None:
        self._from_scratch(name, binary, "/", "--entrypoint", f'["/{binary.name}"]')

    def build(self, name: str, containerfile: Path, context: Path, base: str) -> None:
        options = ["--isolation=chroot", "--layers", "--pull-never", f"--build-arg=BASE={base}"]
        self._run("build", "--quiet", *options, f"--tag={name}", f"--file={containerfile}", context)

    def push(self, name: str, layout: Path) -> None:
        # Uncompressed: the node would only have to unpack it again, slowly.
        self._run("push", "--quiet", "--disable-compression", name, f"oci:{layout}:{name}")

    def _from_scratch(self, name: str, content: Path, to: str, *config: str) -> None:
        container = self._run("from", "scratch").strip()
        self._run("add", "--quiet", container, content, to)
        if config:
            self._run("config", *config, container)
        self._run("commit", "--quiet", "--rm", container, name)

    def _run(self, *arguments: str | Path) -> str:
        result = subprocess.run([*self._command, *arguments], capture_output=True, text=True, check=False)
        if result.returncode:
            raise RuntimeError(f"buildah {arguments[0]}: {result.stderr.strip()[-2000:]}")
        return result.stdout


if __name__ == "__main__":
    sys.stdout.write(f"{bundle()}\n")
