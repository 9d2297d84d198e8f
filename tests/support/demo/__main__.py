"""`make demo`: shows on real parts that the least important pod dies first, and that the database lives."""

import argparse
import json
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack

from demo import keep, story
from demo.followers import Follower
from demo.installation import helm_install
from lab import images, report
from lab.control_plane import ControlPlane
from lab.node import Node
from lab.patched_kernel import patched_kernel

AGENTS = ("-n", "oompolicy-agents", "logs", "daemonset/oompolicy-demo", "-c", "guard", "--follow")
PRODUCT = (
    "kubectl explain oompolicy.spec.rules",
    "kubectl -n oompolicy-agents logs daemonset/oompolicy-demo -c guard",
    "kubectl -n shop describe pod batch",
)
NO_EVICTION = {"evictionHard": {"memory.available": "0%"}}
"""Kubelet would be earlier than the kernel, and the guard earlier than kubelet."""
KERNEL_ALONE = ("kubectl -n shop get pods", "kubectl -n shop describe pod hog", "kubectl get events -A | grep -i oom")


def main() -> int:
    """Runs the demo; 0 only if exactly what it promises happened."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the cluster up at the end")
    parser.add_argument("--without-policy", action="store_true", help="show what the kernel does alone")
    parser.add_argument("--patched-kernel", action="store_true", help="on a kernel that asks our program who dies")
    options = parser.parse_args()
    keep.end_kept()
    if options.keep:
        return keep.split_off(lambda over: _demo(options, over))
    return _demo(options, None)


def _demo(options: argparse.Namespace, over: Callable[[int], None] | None) -> int:
    start, without_policy = time.monotonic(), options.without_policy
    with ExitStack() as stack:
        control_plane, node = _cluster(stack, is_patched=options.patched_kernel)
        code = _kernel_alone(control_plane, node) if without_policy else _product(control_plane, node)
        report.step(f"The demo took {time.monotonic() - start:.0f} s")
        if over is None or code:
            return code
        _invite(control_plane, without_policy=without_policy)
        stack.callback(keep.pid_file().unlink, missing_ok=True)
        over(code)
        keep.keep_up()
    return code


def _cluster(stack: ExitStack, *, is_patched: bool) -> tuple[ControlPlane, Node]:
    report.step("Images from their Containerfiles")
    bundle = images.bundle()
    report.step("etcd, kube-apiserver, controller-manager and scheduler on loopback")
    control_plane = stack.enter_context(ControlPlane())
    kernel = "a kernel with the BPF OOM hook" if is_patched else "a stock Debian kernel"
    report.step(f"A node: a virtual machine with {kernel}, containerd and kubelet")
    image, kubelet = (patched_kernel("node"), NO_EVICTION) if is_patched else (None, None)
    return control_plane, stack.enter_context(Node(control_plane, images=[bundle], kernel=image, kubelet=kubelet))


def _product(control_plane: ControlPlane, node: Node) -> int:
    ending = story.Ending(control_plane, node)
    report.step("The product")
    helm_install(control_plane)
    story.start_product(control_plane)
    report.step("The story: shop-db (priority 900), batch (10, Guaranteed), hog (100, grows)")
    with Follower(control_plane, "guard", *AGENTS):
        story.play(control_plane, ending)
        faults = story.settled_faults(ending)
    print(control_plane.kubectl("get", "oomp,oomnodes", "-o", "wide"))
    print(control_plane.kubectl("-n", "shop", "get", "pods"))
    for fault in faults:
        report.note(report.bad("not as promised: ") + fault)
    if not faults:
        report.done("batch died first, then hog; shop-db never stopped")
        _figures(ending)
    return 1 if faults else 0


def _figures(ending: story.Ending) -> None:
    for decision in ending.decisions():
        took = json.dumps(decision["milliseconds"])
        report.note(f"{decision['victim']['pod']}: milliseconds {took}, freed {decision['freedBytes'] >> 20} MiB")


def _kernel_alone(control_plane: ControlPlane, node: Node) -> int:
    ending = story.Ending(control_plane, node)
    report.step("The same workloads without the product")
    story.play(control_plane, ending)
    for outcome in ending.outcomes():
        report.note(f"{outcome.name}: {outcome.phase}, {outcome.how or 'alive'}, {outcome.restarts} restarts")
    print(control_plane.kubectl("-n", "shop", "get", "pods"))
    return 0


def _invite(control_plane: ControlPlane, *, without_policy: bool) -> None:
    report.step("The cluster stays up. Try:")
    worth_trying = KERNEL_ALONE if without_policy else PRODUCT
    print(f"  export KUBECONFIG={control_plane.kubeconfig} PATH={control_plane.binaries}:$PATH")
    for line in (*worth_trying, f"kill $(cat {keep.pid_file()})   # takes it down; so does the next make demo"):
        print("  " + line)


if __name__ == "__main__":
    sys.exit(main())
