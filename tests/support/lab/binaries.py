"""Finds or builds the Kubernetes programs, etcd and helm, once.

Kubernetes comes from the first of: a folder that `$OOMPOLICY_KUBERNETES_BIN` points to, a prebuilt and compressed
binary that `$OOMPOLICY_KUBERNETES_PREBUILT` points to (checked against the SHA256SUMS beside it), or the Go module
proxy.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from lab import cache, tools

__all__ = ["components", "etcd", "helm", "kubectl", "kubernetes", "pause"]

KUBERNETES_VERSION = "v1.37.2"
HELM_VERSION = "v4.3.1"
COMPONENTS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet")

_GO_SOURCES = Path(__file__).parents[1] / "go"
_VERSION_PACKAGE = "k8s.io/component-base/version"


def kubernetes() -> Path:
    """A folder with kube-apiserver, kube-controller-manager, kube-scheduler and kubelet."""
    if ready := os.environ.get("OOMPOLICY_KUBERNETES_BIN"):
        return _checked_folder(Path(ready))
    if prebuilt := os.environ.get("OOMPOLICY_KUBERNETES_PREBUILT"):
        return _unpacked(Path(prebuilt))
    return cache.built(
        "kubernetes",
        [KUBERNETES_VERSION, *_sources("kubernetes")],
        _build_kubernetes,
        says=f"{KUBERNETES_VERSION} from the Go module proxy, about 12 minutes on two cores",
    )


def components() -> list[Path]:
    """The paths of the programs in kubernetes()."""
    folder = kubernetes()
    return [folder / name for name in COMPONENTS]


def etcd() -> Path:
    """The etcd server; Debian's is too old for this Kubernetes."""
    built = cache.built("etcd", _sources("etcd"), lambda to: _go_build("etcd", to / "etcd"), says="about 1 minute")
    return built / "etcd"


def helm() -> Path:
    """The helm command."""
    return cache.built("helm", [HELM_VERSION], _install_helm, says="about 3 minutes") / "helm"


def pause() -> Path:
    """The process of a pod's sandbox, linked statically."""
    return cache.built("pause", _sources("pause"), lambda to: _go_build("pause", to / "pause")) / "pause"


def kubectl() -> Path:
    """The kubectl that the project's virtual environment holds, or the one on PATH."""
    ours = Path(sys.executable).with_name("kubectl")
    return ours if ours.exists() else Path(tools.require("kubectl", package="kubernetes-client"))


def _checked_folder(folder: Path) -> Path:
    missing = [name for name in COMPONENTS if not (folder / name).exists()]
    if missing:
        raise FileNotFoundError(
            f"OOMPOLICY_KUBERNETES_BIN={folder} should hold {', '.join(COMPONENTS)}; missing: {missing}"
        )
    return folder


def _unpacked(archive: Path) -> Path:
    sums = archive.parent / "SHA256SUMS"

    def unpack(to: Path) -> None:
        _check_sum(archive, sums)
        zstd = tools.require("zstd", package="zstd")
        subprocess.run([zstd, "-dqf", archive, "-o", to / "kubernetes"], check=True)
        _link_components(to)

    return cache.built("kubernetes-prebuilt", [archive.name, sums], unpack, says=f"unpacking {archive.name}")


def _check_sum(archive: Path, sums: Path) -> None:
    wanted = {name: digest for digest, name in (line.split() for line in sums.read_text().splitlines())}
    with archive.open("rb") as content:
        found = hashlib.file_digest(content, "sha256").hexdigest()
    if wanted.get(archive.name) != found:
        raise ValueError(f"{archive}: expected SHA-256 {wanted.get(archive.name)} as in {sums}, found {found}")


def _build_kubernetes(to: Path) -> None:
    major, minor, _ = KUBERNETES_VERSION.removeprefix("v").split(".")
    version = {"gitVersion": KUBERNETES_VERSION, "gitMajor": major, "gitMinor": minor}
    stamps = [f"-X {_VERSION_PACKAGE}.{key}={value}" for key, value in version.items()]
    _go_build("kubernetes", to / "kubernetes", *stamps)
    _link_components(to)


def _link_components(folder: Path) -> None:
    (folder / "kubernetes").chmod(0o755)
    for name in COMPONENTS:
        (folder / name).symlink_to("kubernetes")


def _install_helm(to: Path) -> None:
    module = f"helm.sh/helm/v4/cmd/helm@{HELM_VERSION}"
    _go(["install", "-trimpath", "-ldflags", "-s -w", module], cwd=to, GOBIN=str(to))


def _go_build(name: str, output: Path, *ldflags: str) -> None:
    flags = ["-trimpath", "-tags", "providerless", "-ldflags", " ".join(["-s", "-w", *ldflags])]
    _go(["build", *flags, "-o", str(output), "."], cwd=_GO_SOURCES / name)


def _go(arguments: list[str], cwd: Path, **environment: str) -> None:
    go = tools.require("go", package="golang")
    # Debian's Go never fetches the toolchain that a go.mod asks for unless it is told to.
    settings = {"CGO_ENABLED": "0", "GOTOOLCHAIN": os.environ.get("GOTOOLCHAIN", "auto")}
    subprocess.run([go, *arguments], cwd=cwd, check=True, env=os.environ | settings | environment)


def _sources(name: str) -> list[Path]:
    return sorted(path for path in (_GO_SOURCES / name).iterdir() if path.suffix in {".go", ".mod", ".sum"})
