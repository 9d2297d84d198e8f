"""`make bench`: everything that is measured here, or one part of it: `python -m bench PART [OPTIONS]`."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence

from bench import choosing, cluster, hook, killing, peers, scan

__all__ = ["PARTS", "main"]


def proofs() -> None:
    """Makes the whole of what `make test` makes a part of; a wrong victim ends it with a failure."""
    names = ("hogs", "replicas", "random_trees", "shortage", "crashes", "assist", "kernel_hook")
    tests = [f"tests/vm/test_{name}.py" for name in names]
    environ = {**os.environ, "OOMPOLICY_PROOFS": "1", "OOMPOLICY_KERNEL": "minimal"}
    subprocess.run([sys.executable, "-m", "pytest", "-q", "-s", *tests], env=environ, check=True)


PARTS: dict[str, tuple[str, Callable[[Sequence[str]], None]]] = {
    "choosing": ("how fast a victim is chosen, beside sorting by usage; seconds", lambda _: choosing.main()),
    "scan": ("what listing, reading and choosing cost on a real kernel; minutes", lambda _: scan.main()),
    "killing": ("killing as the guard does, beside killing in BPF; minutes", lambda _: killing.main()),
    "hook": (
        "choosing in the OOM handler, beside the kernel's own choice; minutes, and as many for the kernel once",
        lambda _: hook.main(),
    ),
    "cluster": ("the operator with 5,000 nodes and 100 policies; minutes", cluster.main),
    "proofs": (
        "hogs, random shortages, and what is no shortage, on real kernels; an hour",
        lambda _: proofs(),
    ),
    "peers": ("the kernel alone, earlyoom, systemd-oomd and ours against the same hog; up to an hour", peers.main),
}
"""What each part measures, and what runs it with the words that follow its name."""


def main(words: Sequence[str]) -> None:
    """Runs the part that is named first, with the words after it; without any, all of them."""
    if words and words[0] not in PARTS:
        usage = "\n".join(f"  {part:10} {says}" for part, (says, _) in PARTS.items())
        raise SystemExit(f"usage: python -m bench [PART [OPTIONS]]; the parts are\n{usage}")
    for part, (says, measure) in PARTS.items():
        if not words or words[0] == part:
            print(f"== {part}: {says}", flush=True)
            measure(words[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
