"""Runs in a machine: makes kubelet's cgroup tree with many pods, and puts sleeping processes into the first containers.

    python3 pod_tree.py --pods 250 --containers 2 --populated 100

It prints `ready` once everything is there, and then sleeps with its children; whoever kills its process group and runs
it with `--remove` has the tree as it was.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["BUNDLES", "CGROUPS", "container_id", "containers", "pod_uid"]

ROLE = "container"
CGROUPS = Path("/sys/fs/cgroup")
BUNDLES = Path("/run/containerd/io.containerd.runtime.v2.task/k8s.io")
QOS = ("burstable", "burstable", "besteffort", "")


def pod_uid(pod: int) -> str:
    """Looks like a pod's uid."""
    return f"{pod:08x}-0000-4000-8000-{pod:012x}"


def container_id(pod: int, container: int) -> str:
    """Looks like a container's id."""
    return f"{pod:032x}{container:032x}"


def containers(pods: int, each: int) -> Iterator[str]:
    """The paths of all containers' memcgs, pod by pod."""
    for pod in range(pods):
        qos = QOS[pod % len(QOS)]
        path = "/".join(part for part in ("/kubepods", qos, f"pod{pod_uid(pod)}") if part)
        for container in range(each):
            yield f"{path}/{container_id(pod, container)}"


def build(pods: int, each: int, populated: int) -> None:
    """Makes the tree; the first `populated` containers get a process."""
    made: set[Path] = set()
    for number, path in enumerate(containers(pods, each)):
        folder = CGROUPS / path.lstrip("/")
        for parent in reversed(folder.parents[: len(folder.parts) - len(CGROUPS.parts) - 1]):
            if parent not in made:
                parent.mkdir(exist_ok=True)
                (parent / "cgroup.subtree_control").write_text("+memory +pids")
                made.add(parent)
        folder.mkdir(exist_ok=True)
        bundle = BUNDLES / folder.name
        bundle.mkdir(parents=True, exist_ok=True)
        (bundle / "config.json").write_text(json.dumps({"annotations": {"io.kubernetes.cri.container-type": ROLE}}))
        if number < populated and os.fork() == 0:
            (folder / "cgroup.procs").write_text("0")
            signal.pause()
            os._exit(0)


def remove() -> None:
    """Takes the tree down; everything in it dies."""
    shutil.rmtree(BUNDLES, ignore_errors=True)
    top = CGROUPS / "kubepods"
    with contextlib.suppress(FileNotFoundError):
        (top / "cgroup.kill").write_text("1")
    for folder, _, _ in os.walk(top, topdown=False):
        while True:
            try:
                Path(folder).rmdir()
                break
            except FileNotFoundError:
                break
            except OSError:  # its processes have not gone yet
                os.sched_yield()


def main() -> None:
    """Makes or removes the tree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, default=0)
    parser.add_argument("--containers", type=int, default=2)
    parser.add_argument("--populated", type=int, default=0)
    parser.add_argument("--remove", action="store_true")
    options = parser.parse_args()
    if options.remove:
        remove()
        return
    build(options.pods, options.containers, options.populated)
    print("ready")
    sys.stdout.flush()
    signal.pause()


if __name__ == "__main__":
    main()
